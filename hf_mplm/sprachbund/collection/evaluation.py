"""A collection measured as one model: every language by the model of its cluster, in one table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash

from hf_mplm._lists import as_list
from hf_mplm.evaluation.fetching import fetch_benchmarks, read_origins
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.hub_data import Wanted
from hf_mplm.evaluation.kinds.finetuned import TransferTask
from hf_mplm.evaluation.kinds.transfer_settings import IN_LANGUAGE, ZERO_SHOT, trains_on_targets
from hf_mplm.evaluation.results import ResultRow, Results, run_metadata, write_results
from hf_mplm.evaluation.runner import evaluate, missing_results
from hf_mplm.evaluation.settings import EvaluationSettings
from hf_mplm.evaluation.summary import PIVOT
from hf_mplm.evaluation.task import Task
from hf_mplm.evaluation.tasks import find_tasks
from hf_mplm.evaluation.vocabulary import Vocabulary
from hf_mplm.jobs.lock import hold_folder
from hf_mplm.languages import parse_code

from .collection import Collection
from .members import Member
from .router import SprachbundRouter


__all__ = ["CLUSTER", "collection_revision", "evaluate_collection"]

logger = logging.getLogger(__name__)

CLUSTER = "cluster"
"""Instead of a source language: all languages of each cluster that have training data, trained on together."""

_MEMBERS = "members"
# What the rows of joint training are called, by the setting in which they were computed.
_JOINT = {"zero-shot": "joint", "probe": "joint-probe"}


def evaluate_collection(
    folder: str | Path,
    tasks: str | Task | Iterable[str | Task],
    data_dir: str | Path | None = None,
    languages: str | Sequence[str] = "all",
    output: str | Path | None = None,
    *,
    source_languages: str | Sequence[str] = ("eng_Latn",),
    vocabulary: Vocabulary | None = None,
    progress: bool = False,
    **settings: Any,
) -> Results:
    """Measure a collection (Fan et al., 2021, section 5.1): each target by the model of its cluster.

    A model is fine-tuned once a source. Sentences of two clusters are compared by the vectors of one model, that of
    the language that is not the source, because vectors of two models are not comparable.

    Args:
        folder (`str` or `Path`): what `hf-mplm sprachbund train` wrote.
        tasks (`str`, `Task` or `Iterable`): as for [`~hf_mplm.evaluate`].
        data_dir (`str` or `Path`, *optional*): as for [`~hf_mplm.evaluate`]; by default benchmarks come from the Hub.
        languages (`str` or `Sequence[str]`, *optional*, defaults to `"all"`): the languages to score; one in no
            cluster goes where the router sends it.
        output (`str` or `Path`, *optional*): folder for the table; each model's own stands in `members/` beneath it,
            and is gone on with.
        source_languages (`str` or `Sequence[str]`, *optional*, defaults to `("eng_Latn",)`): codes, and `pivot`: the
            pivot of the cluster, or the next by the sum of its cosines that has training data for the task, whose rows
            have the setting `pivot`, or `pivot-probe` and the like, and are one measurement whatever it was; and
            `cluster`: all languages of the cluster that have some, trained on together (Table 5). The rows of these
            have no source language and the setting `joint`, or `joint-probe`.
        vocabulary (`Vocabulary`, *optional*): as for [`~hf_mplm.evaluate`].
        progress (`bool`, *optional*, defaults to `False`): whether to show progress bars.
        **settings: the flat keywords of [`~hf_mplm.evaluate`].

    Returns:
        `Results`: one table, whose rows name the collection as their model.

    Raises:
        ValueError: as [`~hf_mplm.evaluate`] does; for `cluster` with a task that trains nothing, or in another
            setting.
        DamagedError: if a model is missing or not as it was finished.
    """
    router = SprachbundRouter(folder)
    collection = router.collection
    place = Path(output) if output is not None else None
    sources = list(as_list(source_languages))
    found_tasks = find_tasks(tasks)
    if CLUSTER in sources:
        _refuse_joint(found_tasks, EvaluationSettings().with_keywords(settings))
    joint: dict[str, dict[str, list[str]]] = {}
    pivots: dict[str, dict[str, str]] = {}
    asked = [parse_code(code).code for code in as_list(languages)] if as_list(languages) != ["all"] else None
    rows: list[ResultRow] = []
    skipped: list[Any] = []
    trained_on: set[str] = set()
    revision = collection_revision(router.folder)
    with hold_folder(place, "hf-mplm evaluate") if place is not None else nullcontext():
        if data_dir is None:
            data_dir = _fetch(found_tasks, collection, asked, sources, settings, progress)
        data_dir = Path(data_dir)
        for task in found_tasks:
            available = task.languages(data_dir)
            wanted = available if asked is None else [code for code in asked if code in available]
            absent = [code for code in asked or () if code not in available]
            skipped += [{"task": task.name, "language": code, "reason": f"{data_dir} has no data"} for code in absent]
            for member, codes in _by_member(router, wanted, task.name, skipped).items():
                name = collection.members[member].folder
                runs: list[tuple[Task, list[str], str]] = []
                named = [parse_code(source).code for source in sources if source not in (PIVOT, CLUSTER)]
                pivot = _pivot(collection, member, task, data_dir) if PIVOT in sources else None
                if pivot is not None:
                    pivots.setdefault(task.name, {})[name] = pivot
                if own := list(dict.fromkeys([*named, *([] if pivot is None else [pivot])])):
                    runs.append((task, own, name))
                if CLUSTER in sources and isinstance(task, TransferTask):
                    together = _with_training_data(collection, member, task, data_dir)
                    joint.setdefault(task.name, {})[name] = together
                    # A table of its own: its rows have the first language as their source, as the pivot's may have.
                    runs.append((replace(task, joint=tuple(together)), together[:1], f"{name}-{CLUSTER}"))
                for one, own, subfolder in runs:
                    found = evaluate(
                        router.folder_of(collection.members[member]),
                        one,
                        data_dir,
                        codes,
                        None if place is None else place / _MEMBERS / subfolder,
                        source_languages=own,
                        vocabulary=vocabulary,
                        progress=progress,
                        **settings,
                    )
                    for row in [row for row in found if row.task == task.name]:
                        row = replace(row, model=str(folder), revision=revision)
                        if one is not task:
                            rows.append(replace(row, source_language="", setting=_JOINT[row.setting]))
                        else:
                            rows += _as_asked(row, named, pivot)
                    skipped += found.skipped
                    trained_on.update(own)
        # Of a member that has no target but the source, nothing is expected: the others may have what was named.
        missing = missing_results(found_tasks, asked or ["all"], trained_on, rows)
        if place is not None:
            told = EvaluationSettings().with_keywords(settings).keywords()
            origins = {name: origin._asdict() for name, origin in read_origins(data_dir).items()}
            where = None if origins else str(data_dir)
            arguments = {"model": str(folder), "data_dir": where, **told, "source_languages": sources}
            described = {**run_metadata(arguments), "missing": missing, "trained_together": joint, "pivots": pivots}
            write_results(place, rows, {**described, "collection": _told(collection), "hub_data": origins})
    return Results(rows, skipped, missing)


def _fetch(
    tasks: Sequence[Task],
    collection: Collection,
    asked: Sequence[str] | None,
    sources: Sequence[str],
    settings: Mapping[str, Any],
    progress: bool,
) -> Path:
    """Fetch the benchmarks. A pivot, or all of a cluster, is any language of the collection with training data."""
    own = {PIVOT, CLUSTER} & set(sources)
    codes = [parse_code(source).code for source in sources if source not in (PIVOT, CLUSTER)]
    members = [code for member in collection.members for code in member.languages] if own else []
    train = trains_on_targets(EvaluationSettings().with_keywords(settings).transfer.settings)
    languages = None if asked is None else tuple(asked)
    return fetch_benchmarks(tasks, Wanted(languages, (*codes, *members), train), progress=progress)


def collection_revision(folder: str | Path) -> str:
    """Which version of a collection is measured: `xxh3:` and the start of a digest of its clusters and models."""
    collection = Collection.load(folder)
    parts = [f"{','.join(member.languages)}\0{member.digest}" for member in collection.members]
    return f"xxh3:{xxhash.xxh3_128_hexdigest(chr(10).join(parts).encode())[:12]}"


def _told(collection: Collection) -> dict[str, Any]:
    """By what a table is told from those of the same collection's controls."""
    training = {key: collection.training.get(key) for key in ("budget", "method")}
    steps = [member.steps for member in collection.members]
    return {"arm": collection.sprachbunds.arm, **training, "clusters": len(steps), "steps": steps}


def _by_member(router: SprachbundRouter, codes: Sequence[str], task: str, skipped: list[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in codes:
        try:
            route = router.route(code)
        except ValueError as error:
            logger.warning("skipped %s %s: %s", task, code, error)
            skipped.append({"task": task, "language": code, "reason": str(error)})
            continue
        if route.reason != "listed":
            logger.info("%s is scored by the model of %s (%s)", code, route.language, route.reason)
        found.setdefault(router.collection.members.index(route.member), []).append(code)
    return dict(sorted(found.items()))


def _as_asked(row: ResultRow, named: Sequence[str], pivot: str | None) -> list[ResultRow]:
    """A row by the source language that was named, by the pivot, or by both."""
    if row.source_language != pivot or row.setting == IN_LANGUAGE:
        return [row]
    setting = PIVOT if row.setting == ZERO_SHOT else f"{PIVOT}-{row.setting}"
    return [*([row] if pivot in named else []), replace(row, setting=setting)]


def _refuse_joint(tasks: Sequence[Task], settings: EvaluationSettings) -> None:
    """Refuse joint training where nothing is trained, and in settings that train on something else."""
    if untrained := [task.name for task in tasks if not isinstance(task, TransferTask)]:
        raise ValueError(
            f"{', '.join(untrained)} trains on nothing, so that there is no training on all of a cluster; give "
            "--source_languages pivot or codes for it, in a run of its own"
        )
    if other := [setting for setting in settings.transfer.settings if setting not in _JOINT]:
        raise ValueError(
            f"all languages of a cluster are trained on together in the settings {' and '.join(_JOINT)}, not in "
            f"{', '.join(other)}"
        )


def _ranked(collection: Collection, number: int) -> list[str]:
    """The languages of a cluster, its pivot first, then by their mean cosines with the others."""
    member: Member = collection.members[number]
    cosines = collection.sprachbunds.cosines

    def nearness(code: str) -> float:
        means = cosines.get(code) or []
        return -1.0 if number >= len(means) or means[number] is None else float(means[number])  # type: ignore[arg-type]

    return sorted(member.languages, key=lambda code: (code != member.pivot, -nearness(code), code))


def _pivot(collection: Collection, number: int, task: Task, data_dir: Path) -> str:
    ranked = _ranked(collection, number)
    if not isinstance(task, TransferTask):
        return ranked[0]
    code = _with_training_data(collection, number, task, data_dir)[0]
    if code != ranked[0]:
        logger.info("%s: %s has no training data, %s is the next by its cosines", task.name, ranked[0], code)
    return code


def _with_training_data(collection: Collection, number: int, task: TransferTask[Any], data_dir: Path) -> list[str]:
    """The languages of a cluster that a task has training and dev data of, the nearest to the others first."""
    corpus = task.corpus(data_dir)
    found = []
    for code in _ranked(collection, number):
        try:
            corpus.examples(code, "train")
            corpus.examples(code, "dev")
        except MissingDataError:
            continue
        found.append(code)
    if not found:
        member = collection.members[number]
        raise MissingDataError(
            f"{task.name} has training data of none of the {len(member.languages)} languages of {member.folder}: give "
            "a source language by its code, such as --source_languages eng_Latn"
        )
    return found
