"""A collection measured as one model: every language by the model of its cluster, in one table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash

from hf_mplm._lists import as_list
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.kinds.finetuned import TransferTask
from hf_mplm.evaluation.results import ResultRow, Results, run_metadata, write_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.evaluation.settings import EvaluationSettings
from hf_mplm.evaluation.task import Task
from hf_mplm.evaluation.tasks import find_tasks
from hf_mplm.evaluation.vocabulary import Vocabulary
from hf_mplm.jobs.lock import hold_folder
from hf_mplm.languages import parse_code

from .collection import Collection
from .members import Member
from .router import SprachbundRouter


__all__ = ["PIVOT", "collection_revision", "evaluate_collection"]

logger = logging.getLogger(__name__)

PIVOT = "pivot"
"""Instead of a source language: that of each cluster which is nearest to its others and has training data."""

_MEMBERS = "members"


def evaluate_collection(
    folder: str | Path,
    tasks: str | Task | Iterable[str | Task],
    data_dir: str | Path,
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
        data_dir (`str` or `Path`): as for [`~hf_mplm.evaluate`].
        languages (`str` or `Sequence[str]`, *optional*, defaults to `"all"`): the languages to score; one in no
            cluster goes where the router sends it.
        output (`str` or `Path`, *optional*): folder for the table; each model's own stands in `members/` beneath it,
            and is gone on with.
        source_languages (`str` or `Sequence[str]`, *optional*, defaults to `("eng_Latn",)`): codes, and `pivot`: the
            pivot of the cluster, or the next by the sum of its cosines that has training data for the task.
        vocabulary (`Vocabulary`, *optional*): as for [`~hf_mplm.evaluate`].
        progress (`bool`, *optional*, defaults to `False`): whether to show progress bars.
        **settings: the flat keywords of [`~hf_mplm.evaluate`].

    Returns:
        `Results`: one table, whose rows name the collection as their model.

    Raises:
        ValueError: as [`~hf_mplm.evaluate`] does.
        DamagedError: if a model is missing or not as it was finished.
    """
    router = SprachbundRouter(folder)
    collection = router.collection
    data_dir = Path(data_dir)
    place = Path(output) if output is not None else None
    sources = list(as_list(source_languages))
    asked = [parse_code(code).code for code in as_list(languages)] if languages != "all" else None
    rows: list[ResultRow] = []
    skipped: list[Any] = []
    missing: list[str] = []
    revision = collection_revision(router.folder)
    with hold_folder(place, "hf-mplm evaluate") if place is not None else nullcontext():
        for task in find_tasks(tasks):
            available = task.languages(data_dir)
            wanted = available if asked is None else [code for code in asked if code in available]
            for member, codes in _by_member(router, wanted, task.name, skipped).items():
                own = _sources(sources, collection, member, task, data_dir)
                found = evaluate(
                    router.folder_of(collection.members[member]),
                    task,
                    data_dir,
                    codes,
                    None if place is None else place / _MEMBERS / collection.members[member].folder,
                    source_languages=own,
                    vocabulary=vocabulary,
                    progress=progress,
                    **settings,
                )
                rows += [replace(row, model=str(folder), revision=revision) for row in found if row.task == task.name]
                skipped += found.skipped
                missing += [line for line in found.missing if line not in missing]
        if place is not None:
            told = EvaluationSettings().with_keywords(settings).keywords()
            arguments = {"model": str(folder), "data_dir": str(data_dir), **told, "source_languages": sources}
            write_results(place, rows, {**run_metadata(arguments), "missing": missing})
    return Results(rows, skipped, missing)


def collection_revision(folder: str | Path) -> str:
    """Which version of a collection is measured: `xxh3:` and the start of a digest of its clusters and models."""
    collection = Collection.load(folder)
    parts = [f"{','.join(member.languages)}\0{member.digest}" for member in collection.members]
    return f"xxh3:{xxhash.xxh3_128_hexdigest(chr(10).join(parts).encode())[:12]}"


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


def _sources(sources: Sequence[str], collection: Collection, number: int, task: Task, data_dir: Path) -> list[str]:
    """The source languages of a cluster, with its pivot where that is asked for."""
    return [_pivot(collection, number, task, data_dir) if source == PIVOT else source for source in sources]


def _pivot(collection: Collection, number: int, task: Task, data_dir: Path) -> str:
    member: Member = collection.members[number]
    cosines = collection.sprachbunds.cosines

    def nearness(code: str) -> float:
        means = cosines.get(code) or []
        return -1.0 if number >= len(means) or means[number] is None else float(means[number])  # type: ignore[arg-type]

    ranked = sorted(member.languages, key=lambda code: (code != member.pivot, -nearness(code), code))
    if not isinstance(task, TransferTask):
        return ranked[0]
    corpus = task.corpus(data_dir)
    for code in ranked:
        try:
            corpus.examples(code, "train")
            corpus.examples(code, "dev")
        except MissingDataError:
            continue
        if code != member.pivot:
            logger.info("%s: %s has no training data, %s is the next by its cosines", task.name, member.pivot, code)
        return code
    raise MissingDataError(
        f"{task.name} has training data of none of the {len(ranked)} languages of {member.folder}: give a source "
        "language by its code, such as --source_languages eng_Latn"
    )
