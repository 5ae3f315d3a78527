"""Cards of modules: what a task or a language added to a frozen base."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

from huggingface_hub import ModelCardData

from hf_mplm.evaluation.tasks import task_type
from hf_mplm.report.table import markdown_code, markdown_escape
from hf_mplm.transfer.modules.record import ModuleRecord

from ..publish_metadata import hub_languages
from .rendering import is_own_card, render, save_card


__all__ = ["draw_module_card", "write_module_card"]

logger = logging.getLogger(__name__)

_PACKAGES = ("hf-mplm", "transformers", "torch")
_PAPER = {
    "title": "An Efficient Approach for Studying Cross-Lingual Transfer in Multilingual Language Models",
    "url": "https://arxiv.org/abs/2403.20088",
    "citation": """@inproceedings{faisal-anastasopoulos-2024-efficient,
  title = {An Efficient Approach for Studying Cross-Lingual Transfer in Multilingual Language Models},
  author = {Faisal, Fahim and Anastasopoulos, Antonios},
  year = {2024},
  note = {arXiv:2403.20088}
}""",
}
_SIZES = {"adapters": "reduction factor", "peft": "rank"}
# Beyond these the settings of a module that nobody changed say nothing.
_TOLD = ("learning_rate", "num_train_epochs", "epochs", "steps", "batch_size", "max_length", "seed")


def write_module_card(folder: str | Path, *, name: str | None = None) -> Path:
    """Write `README.md` into a module's folder.

    A card that a person has written is left as it is; in one that this function wrote, what a person added stays.

    Args:
        folder (`str` or `Path`): the module; its `module.json` is read.
        name (`str`, *optional*): what the card calls it; the folder's name by default.

    Returns:
        `Path`: of the card.

    Raises:
        FileNotFoundError: if there is no `module.json`.
        DamagedError: if it is that of no module.
    """
    folder = Path(folder)
    path = folder / "README.md"
    if path.is_file() and not is_own_card(folder):
        logger.info("kept %s, which somebody wrote by hand", path)
        return path
    save_card(draw_module_card(folder, name=name or folder.resolve().name), path)
    return path


def draw_module_card(folder: Path, *, name: str, license: str | None = None, base: str | None = None) -> str:
    """The card that [`write_module_card`] writes, as text; the errors are the same.

    Args:
        folder (`Path`): the module.
        name (`str`): what the card calls it, and its code loads.
        license (`str`, *optional*): the Hub's licence identifier.
        base (`str`, *optional*): the base's repository, where the record names a folder.
    """
    record = ModuleRecord.load(folder)
    if base is not None:
        record = replace(record, base_model=base)
    local = Path(record.base_model).exists()
    base = Path(record.base_model).name if local else record.base_model
    training = [f"{_SIZES.get(record.backend, 'size')}: {record.size}"]
    training += [f"{key.replace('_', ' ')}: {record.settings[key]}" for key in _TOLD if key in record.settings]
    unit = "examples" if record.kind == "task" else "chunks"
    shown = ", ".join(f"{code} ({count:,})" for code, count in sorted(record.languages.items()))
    training.append(f"languages ({unit}): {shown}")
    data = ModelCardData(
        language=hub_languages(record.languages) or None,
        license=license,
        library_name=record.backend,
        pipeline_tag=task_type(record.name) if record.kind == "task" else None,
        base_model=None if local else record.base_model,
        base_model_relation=None if local else "adapter",
        tags=sorted({"hf-mplm", "transfer-study", "adapter", record.backend, f"{record.kind}-module"}),
    )
    return render(
        "module",
        data,
        packages=_PACKAGES,
        name=markdown_escape(name.split("/")[-1]),
        summary=_summary(record),
        base=markdown_code(base),
        use=_use(record, base, name),
        training=list(map(markdown_escape, training)),
        metrics=[markdown_escape(f"{key}: {value:.3f}") for key, value in record.metrics.items()],
        limits=_limits(record),
        paper=_PAPER,
    )


def _limits(record: ModuleRecord) -> list[str]:
    return [
        f"It fits one base alone, that of the digest {markdown_code(record.base[:12])} of its weights.",
        "Its numbers are for comparing tuned bases with one another, not for the best score of a task.",
    ]


def _summary(record: ModuleRecord) -> str:
    layers = "Low-rank updates (LoRA)" if record.backend == "peft" else "Bottleneck adapters"
    if record.kind == "task":
        count = len(record.languages)
        return f"{layers} and a head for the task {markdown_code(record.name)}, trained in {count} languages at once."
    return f"{layers} of the language {markdown_code(record.name)}, trained by masked language modelling."


def _use(record: ModuleRecord, base: str, name: str) -> str:
    """The lines that put it into its base; `DATA_DIR` is where the reader keeps benchmarks."""
    adapt = f"encoder = adapt_encoder(base.encoder, {json.dumps(record.backend)})"
    start = [
        f"folder = snapshot_download({json.dumps(name, ensure_ascii=False)})",
        f"base = Base.load({json.dumps(base, ensure_ascii=False)})",
        adapt,
    ]
    imports = ["from huggingface_hub import snapshot_download", ""]
    if record.kind == "language":
        imports += [
            "from hf_mplm.transfer.modules import adapt_encoder",
            "from hf_mplm.transfer.tuning import Base",
            "",
        ]
        return "\n".join([*imports, *start, f"encoder.load(folder, {json.dumps(f'language_{record.name}')})"])
    imports += ["from hf_mplm.transfer.modules import TaskModule, adapt_encoder"]
    imports += ["from hf_mplm.transfer.tuning import Base", ""]
    lines = ["module = TaskModule.load(folder, base.tokenizer, DATA_DIR)  # the folder with the task's benchmark"]
    lines += ["module.attach(encoder)", "with module.active():"]
    return "\n".join([*imports, *start, *lines, "    module.score(examples, module.features(examples), language)"])
