"""Which settings an adaptation can no longer change: those of a stage that has begun."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import read_json, write_json

from .settings import AdaptSettings


__all__ = ["ALIGNMENT", "REPORT", "TRAINING", "begun_stages", "keep_settings", "refuse_changes"]

logger = logging.getLogger(__name__)

_FILE = "adapt.json"
# Settings that change how the work is done, and not what comes of it.
_FREE = ("num_proc", "use_cpu", "trust_remote_code")
_READING = ("corpus", "languages", "text_column", "language_column", "fold_han", "split", "corpus_revision")
_VOCABULARY = ("model", *_READING, "new_pieces", "initialization", "new_lm_head", "seed")
_STORE = (*_VOCABULARY, "replay_corpus", "replay_languages", "chunk_length", "holdout")
#: What training depends on beside its text and its start.
TRAINING = (
    *("method", "replay_share", "stop_gain", "evaluations", "batch_size", "learning_rate", "mask_rate"),
    *("distill_weight", "new_lm_head", "head_warmup_steps", "seed"),
)
_TRAINED = (*_STORE, *TRAINING, "max_steps", "align_scripts")
#: What the alignment of scripts depends on, likewise.
ALIGNMENT = ("align_steps", "batch_size", "learning_rate", "mask_rate", "seed")
#: What the report depends on beside the models and their text.
REPORT = ("data_dir", "tasks", "seed", "new_lm_head")

# Each folder that tells that a stage is done, or goes on where it stopped, and what stands or falls with it. The
# diagnosis is made anew whenever it has to be, and binds nothing.
_STAGES = {
    "vocabulary": _VOCABULARY,
    "store": _STORE,
    "store.preparing": _STORE,
    "trained": _TRAINED,
    "trained.making": _TRAINED,
    "pairs": _TRAINED,
    "pairs.preparing": _TRAINED,
    "model": (*_TRAINED, *ALIGNMENT),
    "model.making": (*_TRAINED, *ALIGNMENT),
    "report": (*_TRAINED, *ALIGNMENT, *REPORT),
}


def begun_stages(output: Path) -> list[str]:
    """The folders of stages that are done, or go on where they stopped; before its first checkpoint no training does.

    Args:
        output (`Path`): folder of the adaptation.
    """
    return [
        stage
        for stage in _STAGES
        if (output / stage).is_dir()
        and (not stage.endswith(".making") or any((output / stage / "run").glob("checkpoint-*")))
    ]


def refuse_changes(settings: AdaptSettings, output: Path) -> None:
    """Refuse settings that differ from those that a stage was begun with, and tell of others that were changed.

    Args:
        settings ([`AdaptSettings`]): of this call.
        output (`Path`): folder of the adaptation.

    Raises:
        ValueError: naming the settings, and the stages that depend on them.
        DamagedError: if the settings of before cannot be read.
    """
    before = read_json(output / _FILE, "To start anew, repeat the command with --overwrite.")
    if before is None:
        return
    told = _told(settings)
    changed = [name for name in sorted(told) if name in before and told[name] != before[name]]
    begun = begun_stages(output)
    bound = {name: [stage for stage in begun if name in _STAGES[stage]] for name in changed}
    refused = [name for name in changed if bound[name]]
    if refused:
        depending = [stage for stage in begun if any(stage in bound[name] for name in refused)]
        raise ValueError(
            f"{output} holds an adaptation with other values of {', '.join(refused)}, on which depend "
            f"{', '.join(f'{stage}/' for stage in depending)}; give another --output, or --overwrite to make anew "
            "what depends on them"
        )
    if changed:
        logger.info("other values than before of %s, on which nothing depends yet", ", ".join(changed))


def keep_settings(settings: AdaptSettings, output: Path) -> None:
    """Write down what the stages that now begin are made with.

    Args:
        settings ([`AdaptSettings`]): of this call.
        output (`Path`): folder of the adaptation.
    """
    write_json(output / _FILE, _told(settings))


def _told(settings: AdaptSettings) -> dict[str, Any]:
    """As JSON gives them back."""
    told = {name: value for name, value in asdict(settings).items() if name not in _FREE}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}
