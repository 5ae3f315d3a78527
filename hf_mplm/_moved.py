"""Modules that stood elsewhere before the rooms were put in order can still be imported by their old names.

Each import by an old name says the new one. The table goes with version 0.2.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


__all__ = ["MOVED", "install"]

# (old place, new place): modules, with `old>new` where the name changed too.
_MOVES = {
    ("data", "data.corpus"): "sources readers hub_source corpora corpus_report>report sentence_sampling",
    ("data", "data.tokenizing"): "tokenizers sentencepiece_model tokenizer_extension>extension encoding word_table",
    ("data", "data.store"): "prepare assembly parts packing pair_store pair_packing pair_parts pair_reader",
    ("data", "data.romanization"): (
        "romanization_engine>engine romanization_units>units romanization_classes>classes romanization_cache>cache "
        "romanization_parts>parts romanized_corpus>corpus"
    ),
    ("data", "data.batches"): (
        "sampling draws schedules randomness masking collators transliteration_collator row_packing word_boundaries "
        "columns"
    ),
    ("data", "jobs"): "jobs>job engines",
    ("trainers", "trainers.base"): (
        "arguments callbacks checkpoints counting guard held_out loading>samplers meters random_state resumable"
    ),
    ("trainers", "trainers.masked_lm"): "language_ids mlm_loss>loss starting from_scratch",
    ("trainers", "trainers.script_alignment"): (
        "script_alignment_arguments>arguments stream_losses stream_rows romanized_vocabulary"
    ),
    ("evaluation", "evaluation.benchmarks"): (
        "americasnli bible flores mlqa ner neutrality parsing pawsx pos sib200 tatoeba taxi1500 tydiqa xnli xquad"
    ),
    ("evaluation", "evaluation.kinds"): (
        "classification pairs>sentence_pairs tagging words biaffine trees question_answering spans retrieval "
        "transfer>finetuned examples finetuning hyperparameters probe"
    ),
    ("evaluation", "evaluation.files"): (
        "records readers>layouts conllu treebanks tagged_files>tagged squad folder_corpus question_corpus "
        "parsing_corpus"
    ),
    ("evaluation", "evaluation.metrics"): "entities squad_metrics>squad similarity",
    ("evaluation", "report"): "page plots compare comparison_report>comparison",
    ("evaluation", "transfer"): "donors transfer_metrics",
    ("modeling", "modeling"): "language_tables>language_embeddings _compat>compat",
    ("evaluation", "hub"): "modules>metric_modules",
}


def _table() -> dict[str, str]:
    table = {}
    for (old, new), names in _MOVES.items():
        for name in names.split():
            before, _, now = name.partition(">")
            table[f"hf_mplm.{old}.{before}"] = f"hf_mplm.{new}.{now or before}"
    return table


MOVED = _table()
"""Old dotted name to new dotted name."""


class _MovedFinder(MetaPathFinder, Loader):
    """Gives the module that stands at the new place: one module under two names, not a copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is {new} now; the old name goes with hf_mplm 0.2", FutureWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has given the module the old name's spec; its own one has to stay.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let the import system find modules by their old names, after everything else has been asked."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(_MovedFinder())
