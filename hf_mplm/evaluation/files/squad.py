"""Reader of questions with answers in a passage: SQuAD's JSON, JSON lines and the Hub's Parquet."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .layouts import DataError, read_records
from .reads import note_read


__all__ = ["Question", "hold_out_articles", "read_questions"]


class Question(NamedTuple):
    """A question about a passage.

    Args:
        id (`str`): Its id.
        question (`str`): The question.
        context (`str`): The passage.
        answers (`Sequence[str]`): The right answers, none if it has none.
        starts (`Sequence[int]`): The character at which each of them begins in the passage.
        article (`str`): What the passage was taken from, or the passage where that is not known.
        place (`str`): Where it stands, for messages.
    """

    id: str
    question: str
    context: str
    answers: Sequence[str]
    starts: Sequence[int]
    article: str
    place: str


def read_questions(paths: Sequence[Path]) -> list[Question]:
    """Read the questions of one split.

    Args:
        paths (`Sequence[Path]`): Files in SQuAD's nested JSON (`data`, `paragraphs`, `qas`), or JSON lines or Parquet
            with the columns `id`, `context`, `question` and `answers`.

    Returns:
        `list[Question]`: The questions, at least one.

    Raises:
        DataError: If a file is not of this form, an id occurs twice in it, or there is no question.
    """
    questions: list[Question] = []
    for path in paths:
        known: dict[str, str] = {}
        for question in _read_file(path):
            if question.id in known:
                raise DataError(f"{question.place} repeats the id of {known[question.id]}")
            known[question.id] = question.place
            questions.append(question)
    if not questions:
        raise DataError(f"{', '.join(map(str, paths))} has no questions")
    return questions


def hold_out_articles(questions: Sequence[Question], share: float, what: str) -> tuple[list[Question], list[Question]]:
    """Keep the last articles of a file for the dev set, so that no passage stands on both sides.

    Args:
        questions (`Sequence[Question]`): The questions.
        share (`float`): Share of the articles to keep, at least one.
        what (`str`): What the questions are, for the message.

    Returns:
        `tuple[list[Question], list[Question]]`: Questions to train on, and the dev set.

    Raises:
        DataError: If there are fewer than two articles.
    """
    articles = list(dict.fromkeys(question.article for question in questions))
    if len(articles) < 2:
        raise DataError(f"{what} has one article only; at least two are needed, one of them to choose the weights by")
    kept = set(articles[-max(1, round(share * len(articles))) :])
    return (
        [question for question in questions if question.article not in kept],
        [question for question in questions if question.article in kept],
    )


def _read_file(path: Path) -> Iterator[Question]:
    name = path.name.removesuffix(".gz")
    if not name.endswith(".json"):
        yield from _table(path)
        return
    opener: Any = gzip.open if path.suffix == ".gz" else open
    note_read(path)
    with opener(path, "rt", encoding="utf-8") as file:
        try:
            content = json.load(file)
        except json.JSONDecodeError as error:
            # JSON lines are named .json as well, and fail where the second line begins.
            content = None
            if error.lineno == 1 and error.msg != "Extra data":
                raise DataError(f"{path}:{error.lineno} is not JSON: {error.msg}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 ({error.reason} at byte {error.start})") from error
    if isinstance(content, dict) and "data" in content:
        yield from _nested(path, content["data"])
    else:
        yield from _table(path)


def _nested(path: Path, articles: Any) -> Iterator[Question]:
    for number, article in enumerate(articles):
        for position, paragraph in enumerate(_get(article, "paragraphs", f"{path}: data[{number}]")):
            place = f"{path}: data[{number}].paragraphs[{position}]"
            context = str(_get(paragraph, "context", place))
            for item in _get(paragraph, "qas", place):
                identity = str(_get(item, "id", place))
                answers = [] if item.get("is_impossible") else _get(item, "answers", f"{place}, question {identity}")
                yield Question(
                    identity,
                    str(_get(item, "question", place)),
                    context,
                    [str(_get(answer, "text", place)) for answer in answers],
                    [int(_get(answer, "answer_start", place)) for answer in answers],
                    # Titles repeat; the number of the article does not.
                    f"{number}",
                    f"{path}: question {identity}",
                )


def _table(path: Path) -> Iterator[Question]:
    for record in read_records([path]):
        context = str(_get(record.values, "context", record.place))
        answers = _get(record.values, "answers", record.place)
        yield Question(
            str(_get(record.values, "id", record.place)),
            str(_get(record.values, "question", record.place)),
            context,
            [str(text) for text in _get(answers, "text", record.place)],
            [int(start) for start in _get(answers, "answer_start", record.place)],
            str(record.values.get("title") or context),
            record.place,
        )


def _get(values: Any, key: str, place: str) -> Any:
    if not isinstance(values, Mapping) or values.get(key) is None:
        raise DataError(f"{place} has no {key!r}")
    return values[key]
