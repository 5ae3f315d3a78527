"""How a checkpoint was trained, in lines of a card: arguments, time, hardware and energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from hf_mplm.report.table import markdown_escape


__all__ = ["changed_arguments", "held_out_loss", "measured_lines", "training_lines"]

# Arguments that say something about a checkpoint; the folder's training_args.json holds all of them.
_TOLD = {
    "max_steps": "steps",
    "per_device_train_batch_size": "batch per device",
    "gradient_accumulation_steps": "gradient accumulation",
    "learning_rate": "learning rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warm-up steps",
    "adam_beta1": "Adam beta1",
    "adam_beta2": "Adam beta2",
    "adam_epsilon": "Adam epsilon",
    "weight_decay": "weight decay",
    "mask_rate": "mask rate",
    "lm_head": "LM head",
    "head_warmup": "first steps, of the LM head alone",
    "old_languages": "languages of before",
    "mlm_weight": "weight of masked LM on the original text",
    "romanized_mlm_weight": "weight of masked LM on the romanised text",
    "seq_weight": "weight of the sentence contrast",
    "tlm_weight": "weight of masked LM on both joined",
    "token_weight": "weight of the alignment of words",
    "loss": "alignment of words with static vectors",
    "align_weight": "weight of the alignment",
    "words_per_step": "words a step",
    "words": "words drawn from",
    "pool_special_tokens": "special tokens pooled with a word",
    "target_scale": "length of the vectors",
    "components": "principal axes of the vectors",
    "ridge": "ridge, as a share of the mean eigenvalue",
    "subspace_batch": "words compared at a time",
    "temperature": "temperature of the sentence contrast",
    "similarity": "similarity of sentences",
    "max_length": "longest text in tokens",
    "alpha": "language sampling exponent",
    "seed": "seed",
    "layer": "layer that is pooled",
    "processes": "processes",
}


_RUN = ("output_dir", "run_name", "max_steps", "num_train_epochs")


def training_lines(
    arguments: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], recipe: str | None
) -> list[str]:
    """What a run was trained with, one line each, with the steps at which it went on with something else.

    Args:
        arguments (`Mapping[str, Any]`): arguments and other facts of the run.
        changes (`Sequence[Mapping[str, Any]]`): of `run.json`.
        recipe (`str`, *optional*): the recipe that it followed.
    """
    history: dict[str, list[str]] = {}
    for change in changes:
        for name, (before, _) in change["settings"].items():
            history.setdefault(name, []).append(f"{before} until step {change['step']:,}")
    # A setting that changed is told, whichever it is.
    names = [*_TOLD, *(name for name in history if name not in _TOLD)]
    lines = [
        f"{_TOLD.get(name, name)}: " + ", then ".join([*history.get(name, ()), str(arguments.get(name))])
        for name in names
        if name in history or arguments.get(name) is not None
    ]
    return list(map(markdown_escape, [*([f"recipe: {recipe}"] if recipe else []), *lines]))


def measured_lines(record: Mapping[str, Any]) -> list[str]:
    """Time, hardware and energy of a run, as `hf_mplm.json` has them; nothing where it tells nothing.

    Args:
        record (`Mapping[str, Any]`): of the run.
    """
    lines = []
    if (seconds := record.get("seconds")) is not None:
        begun = record.get("resumed_at")
        lines.append(f"time: {_duration(float(seconds))}{f', from step {begun:,} on' if begun else ''}")
    if hardware := record.get("hardware"):
        lines.append(f"hardware: {hardware}")
    if (energy := record.get("energy_kwh")) is not None:
        lines.append(f"energy: {float(energy):.3g} kWh, measured by CodeCarbon")
    elif lines:
        lines.append("energy: not measured")
    return list(map(markdown_escape, lines))


def changed_arguments(record: Mapping[str, Any]) -> str:
    """The arguments that differ from their defaults, as YAML; empty where there are none.

    Args:
        record (`Mapping[str, Any]`): of the run.
    """
    arguments = {name: value for name, value in (record.get("arguments") or {}).items() if name not in _RUN}
    # Nothing in them may end the block of code that they stand in.
    return yaml.safe_dump(arguments, sort_keys=True, allow_unicode=True).replace("`", "'").strip() if arguments else ""


def held_out_loss(state: Mapping[str, Any]) -> str:
    """The held-out loss at the end; empty where none was measured.

    Args:
        state (`Mapping[str, Any]`): `trainer_state.json`.
    """
    losses = [entry["eval_loss"] for entry in state.get("log_history", []) if "eval_loss" in entry]
    return f"{losses[-1]:.4f}" if losses else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
