"""Reader of questions with answers in a passage: SQuAD's JSON, JSON lines and the Hub's Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_mplm.jobs.files import parse_json

from .layouts import DataError, read_records
from .opening import parse_value, plain_name, read_text


__all__ = ["Question", "hold_out_articles", "read_questions"]


class Question(NamedTuple):
    """A question about a passage.

    Args:
        id (`str`): Its id.
        question (`str`): The question.
        context (`str`): The passage.
        answers (`Sequence[str]`): The right answers, none if it has none or they are withheld.
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
            with the columns `id`, `context`, `question` and `answers`. Answers are a list of objects with `text` and
            `answer_start`, or an object with a list of each.

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
    if Path(plain_name(path)).suffix.lower() != ".json":
        yield from _table(path)
        return
    text = read_text(path)
    # JSON lines are named .json as well: their first line is a whole object, and no document's.
    first = next((line for line in text.split("\n") if line.strip()), "")
    if first != text.strip() and _is_row(first):
        yield from _table(path)
        return
    content = parse_value(text, str(path))
    if isinstance(content, Mapping) and "data" in content:
        yield from _nested(path, content["data"])
    else:
        yield from _table(path)


def _is_row(line: str) -> bool:
    try:
        value = parse_json(line)
    except ValueError:
        return False
    return isinstance(value, dict) and "data" not in value


def _nested(path: Path, articles: Any) -> Iterator[Question]:
    for number, article in enumerate(_list(articles, f"{path}: data")):
        paragraphs = _list(
            _get(article, "paragraphs", f"{path}: data[{number}]"), f"{path}: data[{number}].paragraphs"
        )
        for position, paragraph in enumerate(paragraphs):
            place = f"{path}: data[{number}].paragraphs[{position}]"
            context = _text(paragraph, "context", place)
            for item in _list(_get(paragraph, "qas", place), f"{place}.qas"):
                identity = _identity(item, place)
                own = f"{place}, question {identity}"
                texts, starts = ([], []) if item.get("is_impossible") is True else _answers(item, own)
                yield Question(
                    identity,
                    _text(item, "question", own),
                    context,
                    texts,
                    starts,
                    # Titles repeat; the number of the article does not.
                    f"{number}",
                    f"{path}: question {identity}",
                )


def _table(path: Path) -> Iterator[Question]:
    for record in read_records([path]):
        context = _text(record.values, "context", record.place)
        texts, starts = _answers(record.values, record.place)
        yield Question(
            _identity(record.values, record.place),
            _text(record.values, "question", record.place),
            context,
            texts,
            starts,
            str(record.values.get("title") or context),
            record.place,
        )


def _answers(values: Mapping[str, Any], place: str) -> tuple[list[str], list[int]]:
    """The answers that say something: a blank one is what is left of an answer that was taken out."""
    if "answers" not in values:
        raise DataError(f"{place} has no 'answers'")
    given = values["answers"]
    if given is None:
        return [], []
    if isinstance(given, Mapping):
        texts, starts = (_list(_get(given, key, place), f"{place}, {key}") for key in ("text", "answer_start"))
        if len(texts) != len(starts):
            raise DataError(f"{place} has {len(texts)} answers, but {len(starts)} places of them")
    else:
        answers = _list(given, f"{place}, answers")
        texts = [_get(answer, "text", place, null=True) for answer in answers]
        starts = [_get(answer, "answer_start", place, null=text is None) for answer, text in zip(answers, texts)]
    for text, start in zip(texts, starts):
        if text is not None and not isinstance(text, str):
            raise DataError(f"{place} has the answer {str(text)[:40]!r}, which is no text")
        if text and text.strip() and (not isinstance(start, int) or isinstance(start, bool)):
            raise DataError(f"{place} has the answer_start {str(start)[:40]!r}, which is no number of a character")
    kept = [(text, start) for text, start in zip(texts, starts) if text and text.strip()]
    return [text for text, _ in kept], [start for _, start in kept]


def _identity(values: Any, place: str) -> str:
    value = _get(values, "id", place)
    if not isinstance(value, str | int):
        raise DataError(f"{place} has an 'id' that is neither a text nor a number")
    return str(value)


def _text(values: Any, key: str, place: str) -> str:
    value = _get(values, key, place)
    if not isinstance(value, str):
        raise DataError(f"{place} has a value of type {type(value).__name__} where the text {key!r} is due")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{place} is no list")
    return value


def _get(values: Any, key: str, place: str, *, null: bool = False) -> Any:
    if not isinstance(values, Mapping) or key not in values or (values[key] is None and not null):
        raise DataError(f"{place} has no {key!r}")
    return values[key]
