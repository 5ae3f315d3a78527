"""Cards of modules: what a task or a language added to a frozen base."""

from __future__ import annotations

import json
import logging
from importlib import metadata, resources
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from hf_mplm.evaluation.tasks import task_type
from hf_mplm.jobs.files import atomic_write
from hf_mplm.report.table import markdown_code, markdown_escape
from hf_mplm.transfer.modules.record import ModuleRecord

from .cards import is_own_card


__all__ = ["write_module_card"]

logger = logging.getLogger(__name__)

_PACKAGES = ("hf-mplm", "transformers", "torch")
_SIZES = {"adapters": "reduction factor", "peft": "rank"}
# Beyond these the settings of a module that nobody changed say nothing.
_TOLD = ("learning_rate", "num_train_epochs", "epochs", "steps", "batch_size", "max_length", "seed")


def write_module_card(folder: str | Path, *, name: str | None = None) -> Path:
    """Write `README.md` into a module's folder.

    A card that a person has written or edited is left as it is: only one that this function wrote is written anew.

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
    record = ModuleRecord.load(folder)
    local = Path(record.base_model).exists()
    base = Path(record.base_model).name if local else record.base_model
    training = [f"{_SIZES.get(record.backend, 'size')}: {record.size}"]
    training += [f"{key.replace('_', ' ')}: {record.settings[key]}" for key in _TOLD if key in record.settings]
    unit = "examples" if record.kind == "task" else "chunks"
    shown = ", ".join(f"{code} ({count:,})" for code, count in sorted(record.languages.items()))
    training.append(f"languages ({unit}): {shown}")
    card = ModelCard.from_template(
        ModelCardData(
            language=sorted({code.partition("_")[0] for code in record.languages}) or None,
            library_name=record.backend,
            pipeline_tag=task_type(record.name) if record.kind == "task" else None,
            base_model=None if local else record.base_model,
            tags=sorted({"hf-mplm", "transfer-study", "adapter", record.backend, f"{record.kind}-module"}),
        ),
        template_str=(resources.files(__package__) / "templates" / "module.md").read_text(encoding="utf-8"),
        name=markdown_escape(name or folder.resolve().name),
        summary=_summary(record),
        base=markdown_code(base),
        use=_use(record),
        training=list(map(markdown_escape, training)),
        metrics=[markdown_escape(f"{key}: {value:.3f}") for key, value in record.metrics.items()],
        versions=", ".join(f"{package} {metadata.version(package)}" for package in _PACKAGES),
    )
    with atomic_write(path) as file:
        file.write(str(card).encode("utf-8", errors="backslashreplace"))
    return path


def _summary(record: ModuleRecord) -> str:
    layers = "Low-rank updates (LoRA)" if record.backend == "peft" else "Bottleneck adapters"
    if record.kind == "task":
        count = len(record.languages)
        return f"{layers} and a head for the task {markdown_code(record.name)}, trained in {count} languages at once."
    return f"{layers} of the language {markdown_code(record.name)}, trained by masked language modelling."


def _use(record: ModuleRecord) -> str:
    if record.kind == "language":
        lines = ["from hf_mplm.transfer.modules import adapt_encoder", "from hf_mplm.transfer.tuning import Base", ""]
        lines += ["base = Base.load(BASE)", f"encoder = adapt_encoder(base.encoder, {record.backend!r})"]
        return "\n".join([*lines, f'encoder.load(FOLDER, "language_{record.name}")'])
    lines = ["from hf_mplm.transfer.modules import TaskModule, adapt_encoder"]
    lines += ["from hf_mplm.transfer.tuning import Base", "", "base = Base.load(BASE)"]
    lines.append("module = TaskModule.load(FOLDER, base.tokenizer, DATA_DIR)")
    lines.append(f"module.attach(adapt_encoder(base.encoder, {json.dumps(record.backend)}))")
    return "\n".join([*lines, "with module.active():", "    module.score(examples, module.features(examples), CODE)"])
