"""The three architectures, each with its tiny stock model and the classes of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from hf_mplm import modeling
from hf_mplm.modeling.architectures import find_architecture
from tests import fixtures


VOCABULARY = 97
CODES = ["eng_Latn", "tha_Thai", "srp_Cyrl", "srp_Latn"]


@dataclass(frozen=True)
class Architecture:
    """One architecture: what transformers has, and what this package has over it."""

    name: str
    model_type: str
    build: Callable[..., Any]

    @property
    def masked_lm(self) -> Any:
        return getattr(modeling, f"{self.name}ForLangScriptMLM")

    @property
    def config(self) -> Any:
        return getattr(modeling, f"{self.name}LangScriptConfig")

    @property
    def fast(self) -> Any:
        return find_architecture(self.model_type).fast_class

    @property
    def stock_encoder(self) -> Any:
        return getattr(transformers, f"{self.name}Model")

    def stock(self, **config: object) -> Any:
        """A stock masked-LM model whose token-type table and biases are not trivial."""
        return self.build(VOCABULARY, **config)

    def langscript(self, folder: Path, **kwargs: Any) -> Any:
        """The model of this package that starts from that stock model, saved to `folder` on the way."""
        self.stock().save_pretrained(folder)
        return self.masked_lm.from_encoder(folder, CODES, **kwargs)


ARCHITECTURES = [
    Architecture("XLMRoberta", "xlm-roberta", fixtures.tiny_xlm_roberta),
    Architecture("Bert", "bert", fixtures.tiny_bert),
    Architecture("ModernBert", "modernbert", fixtures.tiny_modernbert),
]


ROW_IDS = {"language_ids": torch.tensor([0, 2, 1]), "script_ids": torch.tensor([0, 2, 1])}


def loaded(architecture: Architecture, folder: Path) -> Any:
    """The class of the architecture, from a checkpoint, after checking that nothing was missing or left over."""
    model, report = architecture.masked_lm.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    return model


def zeroed(model: Any) -> Any:
    """The model, with both tables set to zero in place."""
    with torch.no_grad():
        model.language_embeddings.weight.zero_()
        model.script_embeddings.weight.zero_()
    return model


def make_batch(rows: int = 3, length: int = 11, seed: int = 0) -> dict[str, torch.Tensor]:
    """Ids with padding in one row, and labels at about a third of the real positions; a row may hold none."""
    generator = torch.Generator().manual_seed(seed)
    input_ids = torch.randint(4, VOCABULARY, (rows, length), generator=generator)
    attention_mask = torch.ones_like(input_ids)
    input_ids[1, length - 4 :] = 1
    attention_mask[1, length - 4 :] = 0
    masked = (torch.rand((rows, length), generator=generator) < 0.33) & attention_mask.bool()
    labels = torch.where(masked, input_ids, -100)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def without_labels(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The batch as an encoder takes it."""
    return {name: value for name, value in batch.items() if name != "labels"}
