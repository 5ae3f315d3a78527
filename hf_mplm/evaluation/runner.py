from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm._lists import as_list
from hf_mplm.jobs.lock import hold_folder
from hf_mplm.languages import parse_code

from .context import Context
from .encoder import Encoder
from .fetching import fetch_benchmarks, is_on_hub, read_origins
from .files.corpus import MissingDataError
from .files.hub_data import Wanted
from .kinds.finetuned import TransferTask
from .kinds.transfer_settings import PROBE, trains_on_targets
from .measured import describe_model
from .results import ResultRow, Results
from .settings import EvaluationKeywords, EvaluationSettings
from .table import RunTable
from .task import Task
from .tasks import TASKS, find_tasks
from .vocabulary import Vocabulary


if TYPE_CHECKING:
    from typing_extensions import Unpack


__all__ = ["evaluate"]

logger = logging.getLogger(__name__)

ALL = "all"


def evaluate(
    model: str | Path | Encoder,
    tasks: str | Task | Iterable[str | Task],
    data_dir: str | Path | None = None,
    languages: str | Sequence[str] = ALL,
    output: str | Path | None = None,
    *,
    settings: EvaluationSettings | None = None,
    vocabulary: Vocabulary | None = None,
    progress: bool = False,
    on_rows: Callable[[list[ResultRow]], None] | None = None,
    **keywords: Unpack[EvaluationKeywords],
) -> Results:
    """Measure an encoder on tasks and languages, going on where an earlier run with the same output stopped.

    A score counts as finished if model, settings and the content of the files it was computed from are the same.

    Args:
        model (`str`, `Path` or `Encoder`): Hub id or folder, or anything with the members of [`Encoder`], for the
            tasks that only need vectors.
        tasks (`str`, `Task` or `Iterable`): Task names and objects; a string may separate names by commas.
        data_dir (`str` or `Path`, *optional*): The folder with one folder a benchmark. By default each benchmark is
            read from the Hub, as its task says (`hub_data`), through the cache of `huggingface_hub`.
        languages (`str` or `Sequence[str]`, *optional*, defaults to `"all"`): The language-scripts to score. Those of
            which a task has no data are reported and left out.
        output (`str` or `Path`, *optional*): Folder for `results.parquet` and `results.json`. Without it nothing is
            written.
        settings (`EvaluationSettings`, *optional*): What is asked for, in groups.
        vocabulary (`Vocabulary`, *optional*): The words that the tasks on words choose from, such as
            `StaticEmbeddings`; by default those of the model, where it has vectors of words.
        progress (`bool`, *optional*, defaults to `False`): Whether to show progress bars.
        on_rows (`Callable`, *optional*): Called with the rows of each cell as it is finished.
        **keywords: The same as flat keywords, which replace what `settings` says: `source_languages`, `directions`,
            `retrieval_settings`, `csls_neighbours`, `bli_settings`, `allow_overlap`, `oov`, `max_sentences`,
            `transfer_settings`, `seeds`, `train_file`, `finetuning`, `layer`, `special_tokens`, `prompt`,
            `prompt_name`, `pooling`, `tokens_per_batch`, `hub_revision` and `trust_remote_code`, each as the flag of
            `hf-mplm evaluate` of that name.

    Returns:
        `Results`: All rows of the table, those of earlier runs included, with what was left out (`skipped`) and what
        was named and gave no result (`missing`).

    Raises:
        ValueError: If a task or language is not known, a file is faulty, or the output was computed with other
            settings.
        FileNotFoundError: If a source language has no data.
        FolderInUseError: If another process writes into the output.
        DamagedError: If the table in the output, or the model, is damaged.
    """
    chosen = (settings or EvaluationSettings()).with_keywords(keywords)
    found = _configured(find_tasks(tasks), chosen)
    if data_dir is not None and not Path(data_dir).is_dir():
        raise FileNotFoundError(
            f"there is no data folder {data_dir}; it holds one folder a benchmark, such as sib200/"
        )
    tuned = [task for task in found if isinstance(task, TransferTask) and set(chosen.transfer.settings) - {PROBE}]
    if tuned and not isinstance(model, (str, Path)):
        names = ", ".join(task.name for task in tuned)
        if isinstance(model, Vocabulary):
            raise ValueError(
                f"{names} would fine-tune the model, and vectors of words are not fine-tuned; type: "
                "--transfer_settings probe"
            )
        raise ValueError(
            f"{names} would fine-tune the model, which takes a Hub id or a folder rather than an encoder; give one, "
            'or transfer_settings=["probe"]'
        )
    with hold_folder(Path(output), "hf-mplm evaluate") if output is not None else nullcontext():
        measured = describe_model(model, chosen.encoding, chosen.loading)
        asked = as_list(languages)
        folder = _fetch(found, asked, chosen, progress) if data_dir is None else Path(data_dir)
        context = Context(measured, folder, settings=chosen, progress=progress, origins=read_origins(folder))
        context.vocabulary = _choose_vocabulary(vocabulary, context)
        _refuse_unknown_sources(context)
        wanted = {task.name: _choose_languages(task, asked, context) for task in found}
        for task in found:
            task.check(context, wanted[task.name])
        arguments = {
            "model": context.model.name,
            "data_dir": None if data_dir is None else str(data_dir),
            **chosen.keywords(),
            "layer": context.layer,
            "encoding": dict(context.model.encoding),
        }
        table = RunTable(Path(output) if output is not None else None, context, arguments)
        # The hyper-parameters in full, for whoever reads the table without this version of the recipe.
        table.metadata["finetuning"] = {task.name: task.described() for task in tuned}
        table.metadata["hub_data"] = {name: origin._asdict() for name, origin in context.origins.items()}
        table.metadata["passed_over"] = {task.name: _passed_over(task, context) for task in found}
        try:
            for task in found:
                for rows in task.evaluate(context, wanted[task.name]):
                    table.add(rows)
                    if on_rows is not None:
                        on_rows(rows)
        finally:
            table.metadata["coverage"] = {**table.coverage, **_coverage(context)}
            mine = [row for row in table.rows if (row.model, row.revision) == (measured.name, measured.revision)]
            table.metadata["missing"] = missing_results(found, asked, context.source_languages, mine)
            table.write()
    _tell(context)
    return Results(table.rows, [skip._asdict() for skip in context.skips], table.metadata["missing"])


def _passed_over(task: Task, context: Context) -> list[dict[str, str]]:
    """Files of a task's benchmark that are not used, and why. A task of the user's own need not know."""
    opener: Callable[[Path], Any] | None = getattr(task, "corpus", None)
    if opener is None:
        return []
    corpus = context.opened[task.name][0] if task.name in context.opened else opener(context.data_dir)
    return [{"path": path, "reason": reason} for path, reason in getattr(corpus, "passed_over", ())]


def _configured(tasks: Sequence[Task], settings: EvaluationSettings) -> list[Task]:
    """Give each task the options of the run, and refuse options of what is no task."""
    known = {*TASKS, ALL, *(task.name for task in tasks)}
    unknown = sorted(set(settings.options) - known)
    if unknown:
        raise ValueError(
            f"options were given for {', '.join(unknown)}, which is no task; known are {', '.join(sorted(known))}"
        )
    configured = []
    for task in tasks:
        own, common = settings.options.get(task.name, {}), settings.options.get(ALL, {})
        configure: Callable[[Mapping[str, Any], Mapping[str, Any]], Task] | None = getattr(task, "configured", None)
        if configure is None and own:
            raise ValueError(f"the task {task.name} takes no options, but {', '.join(own)} was given")
        configured.append(task if configure is None else configure(own, common))
    return configured


def _choose_vocabulary(given: Vocabulary | None, context: Context) -> Vocabulary | None:
    own = context.model.vocabulary
    if given is not None and own is not None and given is not own:
        raise ValueError(f"{context.model.name} has words of its own; leave the vocabulary out (--vocabulary)")
    return given or own


def _refuse_unknown_sources(context: Context) -> None:
    known = context.model.languages
    unknown = [code for code in context.source_languages if known is not None and code not in known]
    if unknown:
        raise ValueError(
            f"{context.model.name} has no words of the source language {', '.join(unknown)}; choose of those that it "
            f"has: --source_languages {' '.join(known or ())}"
        )


def _fetch(tasks: Sequence[Task], asked: Sequence[str], settings: EvaluationSettings, progress: bool) -> Path:
    languages = None if list(asked) == [ALL] else tuple(parse_code(code).code for code in asked)
    wanted = Wanted(languages, tuple(settings.source_languages), trains_on_targets(settings.transfer.settings))
    return fetch_benchmarks(tasks, wanted, progress=progress)


def _choose_languages(task: Task, asked: list[str], context: Context) -> list[str]:
    available = task.languages(context.data_dir)
    if not available:
        hint = "" if context.origins or not is_on_hub(task) else "; leave --data_dir out to read it from the Hub"
        raise MissingDataError(f"{context.data_place} has no data of the task {task.name}{hint}")
    if not asked:
        raise ValueError("languages names none; leave it out or give one or more")
    known = context.model.languages
    codes = available if asked == [ALL] else list(dict.fromkeys(parse_code(code).code for code in asked))
    for code in codes:
        if known is not None and code not in known:
            context.skip(task.name, code, f"{context.model.name} has no words of it")
        # A source language is asked for to be retrieved from or trained on, and need not have a test set.
        elif code not in available and code not in context.source_languages:
            context.skip(task.name, code, f"{context.data_place} has no data")
    return [code for code in codes if code in available and (known is None or code in known)]


def missing_results(
    tasks: Sequence[Task], asked: Sequence[str], sources: Collection[str], rows: Iterable[ResultRow]
) -> list[str]:
    """Tell what was named and gave no result.

    Args:
        tasks (`Sequence[Task]`): The tasks of the run.
        asked (`Sequence[str]`): The languages that were named, or `all`, of which none is missed.
        sources (`Collection[str]`): Source languages, which need not have a result of their own.
        rows (`Iterable[ResultRow]`): The results of the run's model.

    Returns:
        `list[str]`: One line each.
    """
    names = {task.name for task in tasks}
    found = {(row.task, row.language) for row in rows if row.task in names}
    measured, languages = {task for task, _ in found}, {language for _, language in found}
    lines = [f"the task {task.name} gave no result" for task in tasks if task.name not in measured]
    codes = [] if list(asked) == [ALL] else list(dict.fromkeys(parse_code(code).code for code in asked))
    missed = [code for code in codes if code not in languages and code not in sources]
    return lines + [f"the language {code} gave no result" for code in missed]


def _coverage(context: Context) -> dict[str, dict[str, int]]:
    """By language, how many words and sentences were met, and how many of them have no vector."""
    counted = getattr(context.model.vocabulary, "coverage", {})
    return {code: dict(numbers._asdict()) for code, numbers in sorted(counted.items())}


def _tell(context: Context) -> None:
    for code, met in _coverage(context).items():
        logger.warning(
            "%s: %s of %s words have no vector, and %s of %s sentences no word that has one",
            code,
            *(f"{met[name]:,}" for name in ("unknown", "words", "blank", "sentences")),
        )
    reasons: dict[tuple[str, str], list[str]] = {}
    for skip in context.skips:
        reasons.setdefault((skip.task, skip.reason), []).append(skip.language)
    for (task_name, reason), skipped in reasons.items():
        logger.warning("skipped %s: %s", " ".join([task_name, ", ".join(skipped)]).strip(), reason)
