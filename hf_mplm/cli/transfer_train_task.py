"""`hf-mplm transfer train-task`: a task's module, once for a base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .transfer_modules import make_module


if TYPE_CHECKING:
    from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings
    from hf_mplm.transfer.modules import TrainingData
    from hf_mplm.transfer.tuning import Base


@dataclass
class TrainTaskArguments:
    """Flags of `hf-mplm transfer train-task`."""

    task: list[str] = field(metadata={"help": "pos, ner, parsing, xnli, tydiqa, sib200, ..., or several of them"})
    model: str = field(metadata={"help": "the base, a masked-LM checkpoint: a folder, or an id on the Hub"})
    data_dir: str = field(metadata={"help": "folder with one folder a benchmark, as for `hf-mplm evaluate`"})
    output: str = field(metadata={"help": "folder of the modules; each task's is written to OUTPUT/TASK"})
    backend: Literal["adapters", "peft"] = field(
        default="peft", metadata={"help": "adapters: bottlenecks behind each layer; peft: low-rank updates (LoRA)"}
    )
    languages: list[str] | None = field(
        default=None, metadata={"help": "languages to train on; all that have training data by default"}
    )
    max_examples: int = field(default=1000, metadata={"help": "most training examples of a language"})
    max_dev_examples: int = field(
        default=100, metadata={"help": "most dev examples of a language, which choose the weights"}
    )
    reduction_factor: int = field(
        default=16, metadata={"help": "adapters: the base's width divided by the bottleneck's"}
    )
    rank: int = field(default=8, metadata={"help": "peft: rank of the updates"})
    finetuning: str | None = field(
        default=None,
        metadata={"help": 'hyper-parameters by task, as JSON or in a recipe: \'{"pos": {"learning_rate": 5e-4}}\''},
    )
    seed: int = field(default=42, metadata={"help": "of head, layers, batches and dropout"})
    device: str | None = field(default=None, metadata={"help": "such as cuda:1; an accelerator if there is one"})
    revision: str | None = field(default=None, metadata={"help": "revision of a model on the Hub"})
    overwrite: bool = field(default=False, metadata={"help": "replace a module that was made from something else"})


def run(arguments: TrainTaskArguments) -> int:
    """Train what is not finished, and say where the modules stand."""
    from hf_mplm.evaluation.tasks import find_tasks
    from hf_mplm.transfer.modules import adapt_encoder
    from hf_mplm.transfer.tuning import Base

    if arguments.max_examples < 1 or arguments.max_dev_examples < 1:
        raise ValueError("max_examples and max_dev_examples are numbers of examples, of 1 or more")
    tasks = find_tasks(arguments.task)
    read = {task.name: _read(task, arguments) for task in tasks}
    base = Base.load(arguments.model, revision=arguments.revision, device=arguments.device)
    encoder = adapt_encoder(base.encoder, arguments.backend)
    for task in tasks:
        data, settings = read[task.name]
        _train(task, base, encoder, data, settings, arguments)
    print(f"\nModules of {', '.join(task.name for task in tasks)} are in {arguments.output}")
    return 1 if any(data.skipped for data, _ in read.values()) and arguments.languages else 0


def _read(task: Any, arguments: TrainTaskArguments) -> tuple[TrainingData, FineTuningSettings]:
    """Everything that can be wrong with data and settings, before a model is loaded."""
    from hf_mplm.evaluation.kinds.finetuned import TransferTask
    from hf_mplm.evaluation.kinds.finetuning import finetuning_settings
    from hf_mplm.languages import parse_code
    from hf_mplm.transfer.modules import read_training_data

    if not isinstance(task, TransferTask):
        raise ValueError(f"{task.name} is measured without training, so that it has no module; take pos, ner, parsing")
    settings = finetuning_settings(task.name, _hyperparameters(arguments.finetuning), task.finetuning)
    asked = arguments.languages
    data = read_training_data(
        task,
        Path(arguments.data_dir),
        None if asked is None else [parse_code(code).code for code in asked],
        max_examples=arguments.max_examples,
        max_dev_examples=arguments.max_dev_examples,
        seed=arguments.seed,
    )
    return data, replace(settings, seed=arguments.seed)


def _hyperparameters(given: str | None) -> dict[str, Mapping[str, Any]]:
    from hf_mplm.recipes import load_recipe

    values = json.loads(given) if given is not None else load_recipe("transfer-study")["finetuning"]
    if not isinstance(values, dict) or not all(isinstance(entry, dict) for entry in values.values()):
        raise ValueError(f"finetuning is {given!r}; needed are hyper-parameters by task, such as a recipe has them")
    return values


def _train(
    task: Any,
    base: Base,
    encoder: Any,
    data: TrainingData,
    settings: FineTuningSettings,
    arguments: TrainTaskArguments,
) -> None:
    from dataclasses import asdict

    from hf_mplm.transfer.modules import train_task_module

    size = int(getattr(arguments, encoder.size_name))
    print(f"{task.name}: {sum(map(len, data.train.values())):,} training examples in {len(data.train)} languages")
    for code, reason in data.skipped.items():
        print(f"{task.name}: nothing is trained in {code}: {reason}")

    def train(folder: Path) -> None:
        module = train_task_module(
            task,
            encoder,
            base.tokenizer,
            data,
            Path(arguments.data_dir),
            settings,
            size=size,
            base=base.digest,
            base_model=arguments.model,
            progress=True,
        )
        try:
            module.save(folder)
        finally:
            module.detach()

    identity = {
        "base": base.digest,
        "task": task.name,
        "backend": encoder.backend,
        encoder.size_name: size,
        "languages": {code: _content(examples) for code, examples in data.train.items()},
        "dev": {code: _content(examples) for code, examples in data.dev.items()},
        "settings": asdict(settings),
    }
    made, record = make_module(
        Path(arguments.output) / task.name,
        identity,
        train,
        action="train-task",
        product="module",
        inputs="base, data and settings",
        overwrite=arguments.overwrite,
    )
    told = ", ".join(f"{name} {value:.3f}" for name, value in record.metrics.items()) or "no dev set"
    print(f"{task.name}: {'trained' if made else 'was finished already'}; mean over the dev sets: {told}")


def _content(examples: Any) -> str:
    import xxhash

    return str(xxhash.xxh3_128_hexdigest(repr(list(examples)).encode()))
