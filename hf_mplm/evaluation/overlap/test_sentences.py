"""What of a task may stand in training text: the sentences of its test set, by language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..files.corpus import MissingDataError
from ..task import Skip, Task


__all__ = ["SOURCE", "read_test_sentences"]

SOURCE = "eng_Latn"
"""The language whose sentences the parallel benchmarks translate."""

_FIELDS = ("text", "pair", "question", "context")


def read_test_sentences(task: Task, data_dir: Path, skips: list[Skip]) -> dict[str, list[str]]:
    """Read the test set of a task: its sentences, premises and hypotheses, questions and their contexts.

    Args:
        task (`Task`): A task.
        data_dir (`Path`): The folder with one folder a benchmark.
        skips (`list[Skip]`): Receives what is left out, and why.

    Returns:
        `dict[str, list[str]]`: Language-script to its sentences, each once; empty where the task has none.

    Raises:
        DataError: If a file does not hold what its format promises.
    """
    make: Any = getattr(task, "corpus", None)
    try:
        corpus: Any = make(data_dir) if make is not None else None
        languages = task.languages(data_dir) if corpus is not None else []
    except FileNotFoundError as error:
        skips.append(Skip(task.name, "", str(error)))
        return {}
    if not (hasattr(corpus, "examples") or hasattr(corpus, "pair")):
        skips.append(Skip(task.name, "", "it has no sentences of its own"))
        return {}
    if not languages:
        skips.append(Skip(task.name, "", f"{data_dir} has no data of it"))
    found: dict[str, dict[str, None]] = {}
    for language in languages:
        try:
            for code, text in _sentences(task, corpus, language):
                found.setdefault(code, {}).setdefault(text)
        except MissingDataError as error:
            skips.append(Skip(task.name, language, str(error)))
    return {code: list(texts) for code, texts in sorted(found.items())}


def _sentences(task: Task, corpus: Any, language: str) -> Iterator[tuple[str, str]]:
    if hasattr(corpus, "pair"):
        if language == SOURCE:
            return
        pairs = corpus.pair(SOURCE, language).first(getattr(task, "max_sentences", None))
        yield from ((SOURCE, text) for text in pairs.source)
        yield from ((language, text) for text in pairs.target)
        return
    for example in corpus.examples(language, "test"):
        yield from ((language, text) for text in _texts(example))


def _texts(example: Any) -> Iterable[str]:
    if hasattr(example, "words"):
        return [" ".join(example.words)]
    return [text for text in (getattr(example, name, None) for name in _FIELDS) if isinstance(text, str)]
