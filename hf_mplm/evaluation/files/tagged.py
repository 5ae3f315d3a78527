"""Readers of tagged sentences: CoNLL-style columns, WikiANN's `language:token`, and the Hub's Parquet."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .layouts import DataError, Record, read_lines, read_records


__all__ = ["TaggedSentence", "first_lines", "list_class_names", "read_tagged_files", "read_words"]

# What WikiANN puts before each token, such as `en:` and `zh-classical:`.
LANGUAGE_PREFIX = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*:")
DOCUMENT_START = "-DOCSTART-"
LABEL_COLUMNS = ("ner_tags", "upos", "pos_tags", "tags", "labels")
TABULAR_SUFFIXES = (".parquet", ".jsonl", ".json")


class TaggedSentence(NamedTuple):
    """A sentence with one label a word.

    Args:
        words (`Sequence[str]`): The words.
        labels (`Sequence[int]`): Positions of their labels in `scheme`.
        scheme (`Sequence[str]`): The labels of the task, one list for all sentences.
        place (`str`): Where it stands, as `"FILE:LINE"`.
    """

    words: Sequence[str]
    labels: Sequence[int]
    scheme: Sequence[str]
    place: str


class _Raw(NamedTuple):
    """A sentence as it stands in a file; `lines` gives the line of each word."""

    words: list[str]
    labels: list[str]
    lines: list[int]


def read_tagged_files(paths: Sequence[Path], labels: Sequence[str]) -> list[TaggedSentence]:
    """Read the sentences of one split.

    A text file has one word a line, its label in the last column behind a tab or a space, and an empty line after each
    sentence. Words keep what is in them, no-break spaces too. Parquet and JSON lines have the columns `tokens` and
    `ner_tags` (or `upos`, `pos_tags`, `tags`, `labels`), with names or numbers of labels.

    Args:
        paths (`Sequence[Path]`): The files of the split.
        labels (`Sequence[str]`): The labels of the task.

    Returns:
        `list[TaggedSentence]`: The sentences, at least one.

    Raises:
        DataError: If a word has no label or one that is not known, naming file and line, or if there is no sentence.
    """
    index = {label: number for number, label in enumerate(labels)}
    sentences = []
    for path in paths:
        for raw in _sentences(path, labels):
            try:
                numbers = [index[label] for label in raw.labels]
            except KeyError as error:
                line = raw.lines[raw.labels.index(error.args[0])]
                raise DataError(
                    f"{path}:{line} has the label {error.args[0]!r}, which is none of {', '.join(labels)}"
                ) from None
            sentences.append(TaggedSentence(raw.words, numbers, labels, f"{path}:{raw.lines[0]}"))
    if not sentences:
        raise DataError(f"{', '.join(map(str, paths))} has no sentences")
    return sentences


def read_words(paths: Sequence[Path], limit: int = 200) -> str:
    """Read the first words of a split, to tell the script that a language is written in.

    Args:
        paths (`Sequence[Path]`): The files of the split.
        limit (`int`, *optional*, defaults to 200): The most sentences to take from Parquet and JSON lines.

    Returns:
        `str`: The words with spaces between them.
    """
    if _suffix(paths[0]) in TABULAR_SUFFIXES:
        words = [str(word) for record in read_records(paths[:1])[:limit] for word in record.values.get("tokens") or ()]
    else:
        words = [line.split("\t" if "\t" in line else " ")[0] for line in first_lines(paths[0])]
    return " ".join(LANGUAGE_PREFIX.sub("", word, count=1) for word in words)


def first_lines(path: Path, size: int = 1 << 16) -> list[str]:
    """Read the beginning of a text file, whatever faults it may have.

    Args:
        path (`Path`): A UTF-8 file, which may be gzipped.
        size (`int`, *optional*, defaults to 65,536): The most bytes to read.

    Returns:
        `list[str]`: Its first lines, the last of which may be cut.
    """
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        text: str = file.read(size).decode("utf-8", errors="ignore")
    return text.split("\n")


def _sentences(path: Path, labels: Sequence[str]) -> list[_Raw]:
    if _suffix(path) in TABULAR_SUFFIXES:
        return _table_sentences(path, labels)
    return _text_sentences(path)


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _text_sentences(path: Path) -> list[_Raw]:
    sentences: list[_Raw] = []
    open_sentence = False
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t" if "\t" in line else " ")
        if len(columns) != 2:
            columns = [column for column in columns if column]
        # A lone no-break space is a word of WikiANN: only what separates columns is taken for empty.
        if not line.strip(" \t") or columns[0] == DOCUMENT_START:
            open_sentence = False
            continue
        if len(columns) < 2 or not columns[-1]:
            raise DataError(
                f"{path}:{number} has no label: a line is `WORD LABEL`, with a space or a tab between them"
            )
        if not open_sentence:
            words: list[str] = []
            labels: list[str] = []
            lines: list[int] = []
            sentences.append(_Raw(words, labels, lines))
            open_sentence = True
        words.append(columns[0])
        labels.append(columns[-1])
        lines.append(number)
    return _without_prefix(sentences)


def _without_prefix(sentences: list[_Raw]) -> list[_Raw]:
    """Remove WikiANN's language from the words, if every word of the file carries the same one."""
    first = LANGUAGE_PREFIX.match(sentences[0].words[0]) if sentences else None
    if first is None or not all(word.startswith(first[0]) for raw in sentences for word in raw.words):
        return sentences
    return [raw._replace(words=[word.removeprefix(first[0]) for word in raw.words]) for raw in sentences]


def _table_sentences(path: Path, labels: Sequence[str]) -> list[_Raw]:
    names = list_class_names(path) if path.suffix == ".parquet" else {}
    sentences = []
    for record in read_records([path]):
        column = next((column for column in LABEL_COLUMNS if record.values.get(column) is not None), None)
        if column is None or record.values.get("tokens") is None:
            raise DataError(f"{record.place} needs the columns tokens and {' or '.join(LABEL_COLUMNS)}")
        words = [str(word) for word in record.values["tokens"]]
        tags = [_label_name(tag, names.get(column, labels), record) for tag in record.values[column]]
        if len(words) != len(tags):
            raise DataError(f"{record.place} has {len(words)} tokens, but {len(tags)} labels")
        if column == "upos":
            # In the Hub's form of UD a fused word such as `du` stands before its parts, without a tag.
            words = [word for word, tag in zip(words, tags) if tag != "_"]
            tags = [tag for tag in tags if tag != "_"]
        if words:
            line = int(record.place.rsplit(":", 1)[1])
            sentences.append(_Raw(words, tags, [line] * len(words)))
    return sentences


def _label_name(tag: Any, names: Sequence[str], record: Record) -> str:
    if isinstance(tag, str) or not names:
        return str(tag)
    if not 0 <= int(tag) < len(names):
        raise DataError(f"{record.place} has the label {tag}, but there are {len(names)}: {', '.join(names)}")
    return names[int(tag)]


def list_class_names(path: Path) -> Mapping[str, list[str]]:
    """Read the names of labels in lists, which `datasets` keeps in the schema of its Parquet files.

    Args:
        path (`Path`): A Parquet file.

    Returns:
        `Mapping[str, list[str]]`: Names of the labels of each column that has any.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_schema(path).metadata or {}
    if b"huggingface" not in metadata:
        return {}
    features = json.loads(metadata[b"huggingface"]).get("info", {}).get("features", {})
    found = {}
    for column, feature in features.items():
        # `datasets` 3 wrote a list with one feature in it where 4 writes a List.
        inner = feature[0] if isinstance(feature, list) and feature else feature
        inner = inner.get("feature", inner) if isinstance(inner, dict) else {}
        if isinstance(inner, dict) and inner.get("_type") == "ClassLabel" and "names" in inner:
            found[column] = list(inner["names"])
    return found
