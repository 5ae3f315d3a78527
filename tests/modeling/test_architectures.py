"""The table of architectures: whole, and the only place that asks which one a model is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
import transformers

import hf_mplm
from hf_mplm import modeling
from hf_mplm.modeling import masked_only_lm
from hf_mplm.modeling.architectures import ARCHITECTURES, find_architecture
from hf_mplm.modeling.architectures import Architecture as Record

from .models import Architecture, make_batch


PACKAGE = Path(hf_mplm.__file__).parent


@pytest.mark.parametrize("known", ARCHITECTURES, ids=lambda known: known.name)
def test_a_record_leads_to_everything_that_an_architecture_has(known: Record) -> None:
    assert set(known.modules) <= set(modeling.__all__)
    for name in known.modules:
        assert known.load(name).__name__ == name
    assert known.config_class.model_type == known.langscript_type
    assert known.stock_class is getattr(transformers, known.fast_class.__name__)
    assert known.fast_class.__mro__.index(known.stock_class) == 2
    assert find_architecture(known.model_type) is find_architecture(known.langscript_type) is known
    assert transformers.AutoConfig.for_model(known.langscript_type).__class__ is known.config_class


def test_what_is_not_known_has_no_record() -> None:
    assert [find_architecture(name) for name in (None, "", "-langscript", "roberta", "xlm", "t5-langscript")] == [
        None
    ] * 6


def test_no_other_file_asks_which_architecture_it_is() -> None:
    """Names of model types elsewhere are places that a new architecture would have to be added to."""
    types = {known.model_type for known in ARCHITECTURES} | {known.langscript_type for known in ARCHITECTURES}
    # Defaults of what is made anew: one architecture is enough for them.
    makes_one = {"trainers/masked_lm/from_scratch.py", "cli/quickstart_job.py", "modeling/architectures.py"}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if place in makes_one or path.name.startswith("configuration_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in types:
                found.append(f"{place}:{node.lineno}: {node.value}")
    assert not found


def test_the_loss_of_a_checkpoints_reader_is_the_packages(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the files that stay behind: the same loss and gradients, with a masked position and without."""
    quick, plain = modeling.masked_only(architecture.stock()), modeling.masked_only(architecture.stock())
    plain.load_state_dict(quick.state_dict())
    batch = make_batch()
    count = int((batch["labels"] != -100).sum())
    weights = torch.linspace(1, 2, batch["labels"].numel()).view_as(batch["labels"])
    for items in (None, 2 * count, torch.tensor(3 * count), weights):
        quick.zero_grad()
        plain.zero_grad()
        wanted = quick(**batch, num_items_in_batch=items)
        monkeypatch.setattr(masked_only_lm, "_QUICK", None)
        found = plain(**batch, num_items_in_batch=items)
        monkeypatch.undo()
        torch.testing.assert_close(found.loss, wanted.loss, rtol=1e-6, atol=0)
        assert set(found.loss_components) == set(wanted.loss_components)
        wanted.loss.backward()
        found.loss.backward()
        for (name, one), other in zip(plain.named_parameters(), quick.parameters()):
            # Three times what was seen; the constant is for gradients that are zero but for rounding.
            bound = 2e-6 * float(other.grad.abs().max()) + 1e-9
            torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=bound, msg=name)
    monkeypatch.setattr(masked_only_lm, "_QUICK", None)
    nothing = plain(**{**batch, "labels": torch.full_like(batch["labels"], -100)})
    assert nothing.loss.item() == 0 and nothing.loss.requires_grad
