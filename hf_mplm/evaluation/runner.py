from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from hf_mplm.languages import parse_code
from hf_mplm.modeling.pooling import default_layer

from .context import Context, Skip, row_cell
from .encoder import Encoder, TransformerEncoder
from .files.corpus import MissingDataError
from .kinds.finetuned import PROBE, TransferTask
from .loading import model_revision
from .results import ResultRow, read_metadata, read_results, run_metadata, write_results
from .task_options import full_settings
from .tasks import TASKS, get_task


__all__ = ["evaluate"]

logger = logging.getLogger(__name__)

ALL = "all"
# Seconds between two writes of the table: what an interruption can cost at most, besides the cell under way.
WRITE_INTERVAL = 5.0


def evaluate(
    model: str | Path | Encoder,
    tasks: str | Sequence[str],
    data_dir: str | Path,
    languages: str | Sequence[str] = ALL,
    output: str | Path | None = None,
    *,
    source_languages: Sequence[str] = ("eng_Latn",),
    directions: Sequence[str] = ("source->target",),
    retrieval_settings: Sequence[str] = ("plain",),
    transfer_settings: Sequence[str] = ("zero-shot",),
    seeds: Sequence[int] = (42,),
    layer: int | None = None,
    special_tokens: bool = True,
    csls_neighbours: int = 10,
    max_sentences: Mapping[str, int] | None = None,
    finetuning: Mapping[str, Mapping[str, Any]] | None = None,
    tokens_per_batch: int | None = None,
    train_file: str | Path | None = None,
    hub_revision: str | None = None,
    trust_remote_code: bool = False,
    progress: bool = False,
    on_rows: Callable[[list[ResultRow]], None] | None = None,
) -> list[ResultRow]:
    """Measure an encoder on tasks and languages, going on where an earlier run with the same output stopped.

    Args:
        model (`str`, `Path` or `Encoder`): Hub id or folder, or anything with the members of [`Encoder`], for the
            tasks that only need vectors.
        tasks (`str` or `Sequence[str]`): Task names; a string may separate them by commas.
        data_dir (`str` or `Path`): The folder with one folder a benchmark.
        languages (`str` or `Sequence[str]`, *optional*, defaults to `"all"`): The language-scripts to score. Those of
            which a task has no data are reported and left out.
        output (`str` or `Path`, *optional*): Folder for `results.parquet` and `results.json`. Without it nothing is
            written.
        source_languages (`Sequence[str]`, *optional*, defaults to `("eng_Latn",)`): Languages to train on or to
            retrieve from.
        directions (`Sequence[str]`, *optional*, defaults to `("source->target",)`): Directions of retrieval.
        retrieval_settings (`Sequence[str]`, *optional*, defaults to `("plain",)`): `"plain"`, `"centred"`, `"csls"`,
            `"centred+csls"`.
        transfer_settings (`Sequence[str]`, *optional*, defaults to `("zero-shot",)`): `"zero-shot"`, `"few-shot-K"`,
            `"in-language"`, `"probe"`.
        seeds (`Sequence[int]`, *optional*, defaults to `(42,)`): One fine-tuning each.
        layer (`int`, *optional*): The layer to pool, by default two thirds of the depth.
        special_tokens (`bool`, *optional*, defaults to `True`): Whether special tokens count in the mean.
        csls_neighbours (`int`, *optional*, defaults to 10): Neighbours of CSLS.
        max_sentences (`Mapping[str, int]`, *optional*): Task to the most sentence pairs of a language.
        finetuning (`Mapping[str, Mapping[str, Any]]`, *optional*): Task, or `"all"`, to hyper-parameters that replace
            those of the recipe `evaluate-langsamp`.
        tokens_per_batch (`int`, *optional*): Size of an encoding batch in tokens.
        train_file (`str` or `Path`, *optional*): Training data for the tasks that come without any.
        hub_revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with the model may run.
        progress (`bool`, *optional*, defaults to `False`): Whether to show progress bars.
        on_rows (`Callable`, *optional*): Called with the rows of each cell as it is finished.

    Returns:
        `list[ResultRow]`: All rows of the table, those of earlier runs included.

    Raises:
        ValueError: If a task or language is not known, a file is faulty, or the output was computed with other
            settings.
        FileNotFoundError: If a source language has no data.
    """
    names = [name.strip() for name in (tasks.split(",") if isinstance(tasks, str) else tasks) if name.strip()]
    found = [(name, get_task(name)) for name in dict.fromkeys(names)]
    if not found:
        raise ValueError(f"no task was given; the tasks are {', '.join(TASKS)}")
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise FileNotFoundError(
            f"there is no data folder {data_dir}; it holds one folder a benchmark, such as sib200/"
        )
    settings: dict[str, Any] = {
        "source_languages": [parse_code(code).code for code in source_languages],
        "directions": list(directions),
        "retrieval_settings": list(retrieval_settings),
        "transfer_settings": list(transfer_settings),
        "seeds": list(seeds),
        "special_tokens": special_tokens,
        "csls_neighbours": csls_neighbours,
        "max_sentences": dict(max_sentences or {}),
        "finetuning": {task: dict(values) for task, values in (finetuning or {}).items()},
        "train_file": str(train_file) if train_file is not None else None,
    }
    tuned = [name for name, task in found if isinstance(task, TransferTask) and set(transfer_settings) - {PROBE}]
    if tuned and not isinstance(model, (str, Path)):
        raise ValueError(
            f"{', '.join(tuned)} would fine-tune the model, which takes a Hub id or a folder rather than an encoder; "
            'give one, or transfer_settings=["probe"]'
        )
    context = Context(
        **_describe_model(model, layer, special_tokens, tokens_per_batch, hub_revision, trust_remote_code),
        data_dir=data_dir,
        hub_revision=hub_revision,
        trust_remote_code=trust_remote_code,
        progress=progress,
        **settings,
    )
    wanted = {name: _choose_languages(task.languages(data_dir), languages, name, context) for name, task in found}
    for name, task in found:
        task.check(context, wanted[name])
    arguments = {"model": context.model, "data_dir": str(data_dir), "layer": context.layer, **settings}
    table = _Table(output, context, arguments)
    # The hyper-parameters in full, for whoever reads the table without this version of the recipe.
    table.metadata["finetuning"] = {name: full_settings(task, finetuning) for name, task in found if name in tuned}
    try:
        for name, task in found:
            for rows in task.evaluate(context, wanted[name]):
                table.add(rows)
                if on_rows is not None:
                    on_rows(rows)
    finally:
        table.write()
    reasons: dict[tuple[str, str], list[str]] = {}
    for skip in context.skips:
        reasons.setdefault((skip.task, skip.reason), []).append(skip.language)
    for (task_name, reason), skipped in reasons.items():
        logger.warning("skipped %s %s: %s", task_name, ", ".join(skipped), reason)
    return table.rows


def _describe_model(
    model: str | Path | Encoder,
    layer: int | None,
    special_tokens: bool,
    tokens_per_batch: int | None,
    hub_revision: str | None,
    trust_remote_code: bool,
) -> dict[str, Any]:
    if isinstance(model, (str, Path)):
        # The layer is known before any weight is loaded, so that a finished run loads none.
        if layer is None:
            config = AutoConfig.from_pretrained(model, revision=hub_revision, trust_remote_code=trust_remote_code)
            layer = default_layer(int(config.num_hidden_layers))
        revision = model_revision(model, revision=hub_revision, trust_remote_code=trust_remote_code)

        def make_encoder() -> Encoder:
            return TransformerEncoder.from_pretrained(
                model,
                hub_revision=hub_revision,
                trust_remote_code=trust_remote_code,
                layer=layer,
                special_tokens=special_tokens,
                tokens_per_batch=tokens_per_batch,
                revision=revision,
            )

        return {"model": str(model), "revision": revision, "layer": layer, "make_encoder": make_encoder}
    if layer is not None and layer != model.layer:
        raise ValueError(f"the encoder pools layer {model.layer}; make it with layer={layer} instead")
    return {"model": model.name, "revision": model.revision, "layer": model.layer, "make_encoder": lambda: model}


def _choose_languages(available: list[str], asked: str | Sequence[str], task: str, context: Context) -> list[str]:
    if not available:
        raise MissingDataError(f"{context.data_dir} has no data of the task {task}")
    asked = [code.strip() for code in asked.split(",")] if isinstance(asked, str) else list(asked)
    if asked == [ALL]:
        return available
    codes = list(dict.fromkeys(parse_code(code).code for code in asked))
    for code in codes:
        # A source language is asked for to be retrieved from or trained on, and need not have a test set.
        if code not in available and code not in context.source_languages:
            context.skip(task, code, f"{context.data_dir} has no data")
    return [code for code in codes if code in available]


class _Table:
    """The table of a run on disk: read at the start, written again as cells are finished."""

    def __init__(self, output: str | Path | None, context: Context, arguments: Mapping[str, Any]) -> None:
        self.output = Path(output) if output is not None else None
        self.context, self.arguments = context, dict(arguments)
        self.metadata: dict[str, Any] = {}
        self.rows: list[ResultRow] = []
        self.written = time.monotonic()
        if self.output is None or not (self.output / "results.parquet").is_file():
            return
        self._check_arguments(read_metadata(self.output).get("arguments", {}))
        self.rows = read_results(self.output)
        # A checkpoint that was trained on since is another model.
        mine = (context.model, context.revision)
        context.finished.update(row_cell(row) for row in self.rows if (row.model, row.revision) == mine)

    def add(self, rows: list[ResultRow]) -> None:
        self.rows.extend(rows)
        if time.monotonic() - self.written > WRITE_INTERVAL:
            self.write()

    def write(self) -> None:
        if self.output is None:
            return
        metadata = {**run_metadata(self.arguments), **self.metadata}
        metadata["skipped"] = [Skip(*skip)._asdict() for skip in self.context.skips]
        write_results(self.output, self.rows, metadata)
        self.written = time.monotonic()

    def _check_arguments(self, earlier: Mapping[str, Any]) -> None:
        # These change what a number means without being part of its row.
        for name in ("data_dir", "csls_neighbours", "max_sentences", "finetuning", "train_file"):
            if name in earlier and earlier[name] != self.arguments[name]:
                raise ValueError(
                    f"{self.output} was computed with {name}={earlier[name]!r}, not {self.arguments[name]!r}; "
                    "give another --output, or delete it to compute everything again"
                )
