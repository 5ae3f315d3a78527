from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoModelForMaskedLM
from transformers.dynamic_module_utils import get_relative_imports

from hf_mplm import modeling
from hf_mplm.modeling import remote_code
from hf_mplm.modeling.remote_code import travelling_files

from .models import ARCHITECTURES, Architecture


PROBE = Path(__file__).with_name("remote_code_probe.py")


def modeling_file(architecture: Architecture) -> Path:
    return Path(remote_code.__file__).with_name(architecture.masked_lm.remote_file)


def relative_closure(file: Path) -> set[str]:
    """The names of a file and of what it imports from its folder, by any way, read from the syntax tree."""
    found, new = set(), {file}
    while new:
        path = new.pop()
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                new |= {path.with_name(f"{node.module}.py")} - found
    return {path.name for path in found}


class Probed(NamedTuple):
    """A checkpoint, and what a process without the package made of it."""

    architecture: Architecture
    loss: float
    local: type
    report: dict[str, Any]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Probed]:
    """One fresh process for all heads of all architectures: local classes would win over remote code in this one."""
    work = tmp_path_factory.mktemp("probed")
    made: dict[str, tuple[Architecture, float, type]] = {}
    ids = torch.arange(4, 14).view(2, 5)
    for name, architecture in [*((one.name, one) for one in ARCHITECTURES), ("older", ARCHITECTURES[0])]:
        model = architecture.langscript(work / f"{name}-source")
        folder = work / name
        model.save_pretrained(folder)
        if name == "older":
            use_older_names(folder)
        local = AutoModelForMaskedLM.from_pretrained(folder)
        if name == "older":
            local.save_pretrained(folder)
        language = {"language_ids": torch.tensor([0, 1]), "script_ids": torch.tensor([1, 0])}
        loss = model(input_ids=ids, labels=ids, **language).loss.item()
        made[name] = architecture, loss, type(local)
    done = subprocess.run(
        [sys.executable, str(PROBE), *(str(work / name) for name in made)],
        cwd=work,
        env={**os.environ, "HF_MODULES_CACHE": str(work / "modules"), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: Probed(*values, found[str(work / name)]) for name, values in made.items()}


def use_older_names(folder: Path) -> None:
    """Name the files of code as earlier versions did."""
    older = {"language_embeddings": "language_tables", "masked_only_lm": "_masked"}
    for file in folder.glob("*.py"):
        code = file.read_text(encoding="utf-8")
        for name, old in older.items():
            code = code.replace(f"from .{name} import", f"from .{old} import")
        file.with_name(f"{older.get(file.stem, file.stem)}.py").write_text(code, encoding="utf-8")
        if file.stem in older:
            file.unlink()


def test_every_class_loads_with_its_remote_code_where_the_package_is_missing(probed: dict[str, Probed]) -> None:
    for architecture, loss, _, report in probed.values():
        assert report["refused"], "without trust_remote_code nothing may run"
        name = architecture.name
        expected = {
            "AutoModel": f"{name}LangScriptModel",
            "AutoModelForMaskedLM": f"{name}ForLangScriptMLM",
            "AutoModelForSequenceClassification": f"{name}LangScriptForSequenceClassification",
            "AutoModelForTokenClassification": f"{name}LangScriptForTokenClassification",
            "AutoModelForQuestionAnswering": f"{name}LangScriptForQuestionAnswering",
        }
        for head, (class_name, module, missing) in report["heads"].items():
            assert (class_name, module) == (expected[head], "transformers_modules")
            new = () if head in ("AutoModel", "AutoModelForMaskedLM") else ("classifier", "qa_outputs", "head.")
            assert all(key.startswith(new) for key in missing) if new else not missing, (head, missing)
        assert report["loss"] == pytest.approx(loss, rel=1e-6)
        # What the remote class saves is a whole checkpoint again.
        assert report["again"] == expected["AutoModelForTokenClassification"]


def test_the_files_that_travel_are_those_that_are_imported(architecture: Architecture) -> None:
    file = modeling_file(architecture)
    travelling = {path.name for path in travelling_files(file.name)}
    assert travelling == relative_closure(file)
    # Older versions of transformers copy no more than these from a local folder.
    for entry in (file, file.with_name(file.name.replace("modeling_", "configuration_"))):
        assert {entry.name, *(f"{module}.py" for module in get_relative_imports(str(entry)))} == relative_closure(
            entry
        )
    # Trainer.push_to_hub leaves out what begins with an underscore.
    assert not [name for name in travelling if name.startswith("_")]


def test_speed_for_training_and_the_making_of_checkpoints_stay_behind(architecture: Architecture) -> None:
    files = travelling_files(architecture.masked_lm.remote_file)
    behind = {
        "masked_lm.py",
        "final_layer.py",
        "dropout_attention.py",
        "tied_lookup.py",
        "quick_step.py",
        "stock.py",
        "start.py",
        "reading.py",
    }
    assert not behind & {file.name for file in files}
    assert sum(file.stat().st_size for file in files) < 50_000


@pytest.mark.parametrize(
    "head", ["Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"]
)
def test_every_head_saves_an_auto_map_for_all_heads(architecture: Architecture, tmp_path: Path, head: str) -> None:
    """A fine-tuned classifier too: its encoder must stay loadable."""
    architecture.langscript(tmp_path / "source").save_pretrained(tmp_path / "checkpoint")
    kind = getattr(modeling, f"{architecture.name}LangScript{head}")
    kind.from_pretrained(tmp_path / "checkpoint").save_pretrained(tmp_path / "tuned")
    config = json.loads((tmp_path / "tuned" / "config.json").read_text(encoding="utf-8"))
    assert set(config["auto_map"]) == {
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
    }
    for reference in config["auto_map"].values():
        module, _, name = reference.partition(".")
        assert f"class {name}(" in (tmp_path / "tuned" / f"{module}.py").read_text(encoding="utf-8")
    assert {file.name for file in (tmp_path / "tuned").glob("*.py")} == {
        modeling_file(architecture).name,
        *(file.name for file in travelling_files(modeling_file(architecture).name)),
    }
    assert config["architectures"] == [kind.__name__]


def test_a_checkpoint_whose_code_is_under_older_names_still_loads(probed: dict[str, Probed]) -> None:
    """With the package its own classes are taken whatever stands beside the weights; without it, what stands there."""
    older = probed["older"]
    assert older.local is older.architecture.masked_lm
    assert older.report["heads"]["AutoModelForMaskedLM"][1] == "transformers_modules"
