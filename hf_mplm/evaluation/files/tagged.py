"""Readers of tagged sentences: CoNLL-style columns, WikiANN's `language:token`, and the Hub's Parquet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .corpus import RefusedDataError
from .labels import is_withheld
from .layouts import DataError, Record, read_lines, read_records
from .opening import plain_name, read_head
from .samples import sample_text
from .tables import list_class_names


__all__ = ["TaggedSentence", "read_tagged_files", "read_words"]

# What WikiANN puts before each token, such as `en:`, `simple:` and `zh-classical:`.
LANGUAGE_PREFIX = re.compile(r"(?:simple|[a-z]{2,3}(?:-[a-z]+)*):")
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
        RefusedDataError: If no word of a file has a label.
    """
    index = {label: number for number, label in enumerate(labels)}
    sentences = []
    for path in paths:
        found = _table_sentences(path, labels) if _suffix(path) in TABULAR_SUFFIXES else _text_sentences(path)
        if found and all(is_withheld(label) and label not in index for raw in found for label in raw.labels):
            raise RefusedDataError(
                f"the labels are withheld: no word of {path} has one, so that there is nothing to score against; take "
                "the benchmark's own file"
            )
        for raw in found:
            for label, line in zip(raw.labels, raw.lines):
                if label not in index:
                    raise DataError(f"{path}:{line} {_fault(label, labels)}")
            sentences.append(
                TaggedSentence(raw.words, [index[label] for label in raw.labels], labels, f"{path}:{raw.lines[0]}")
            )
    if not sentences:
        raise DataError(f"{', '.join(map(str, paths))} has no sentences")
    return sentences


def read_words(path: Path) -> str:
    """Read the first words of a file, whatever faults it may have, to tell the script of a language.

    Args:
        path (`Path`): A file of a split.

    Returns:
        `str`: The words with spaces between them.
    """
    if _suffix(path) in TABULAR_SUFFIXES:
        words = sample_text(path, ("tokens",)).split("\n")
    else:
        words = [line.split("\t" if "\t" in line else " ")[0] for line in read_head(path).split("\n")]
    return " ".join(LANGUAGE_PREFIX.sub("", word, count=1) for word in words if word != DOCUMENT_START)


def _suffix(path: Path) -> str:
    return Path(plain_name(path)).suffix.lower()


def _fault(label: str, labels: Sequence[str]) -> str:
    if not label:
        return "has no label: a line is `WORD LABEL`, with a space or a tab between them"
    return f"has the label {label!r}, which is none of {', '.join(labels)}"


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
        if not open_sentence:
            words: list[str] = []
            labels: list[str] = []
            lines: list[int] = []
            sentences.append(_Raw(words, labels, lines))
            open_sentence = True
        words.append(columns[0])
        labels.append(columns[-1] if len(columns) > 1 else "")
        lines.append(number)
    return _without_prefix(sentences)


def _without_prefix(sentences: list[_Raw]) -> list[_Raw]:
    """Remove WikiANN's language from the words, if most words of the file carry the same one."""
    words = [word for raw in sentences for word in raw.words]
    found = Counter(match[0] for word in words if (match := LANGUAGE_PREFIX.match(word)))
    prefix, count = found.most_common(1)[0] if found else ("", 0)
    if 2 * count <= len(words):
        return sentences
    return [raw._replace(words=[word.removeprefix(prefix) for word in raw.words]) for raw in sentences]


def _table_sentences(path: Path, labels: Sequence[str]) -> list[_Raw]:
    names = list_class_names(path) if _suffix(path) == ".parquet" else {}
    sentences = []
    for record in read_records([path]):
        column = next((column for column in LABEL_COLUMNS if record.values.get(column) is not None), None)
        if column is None or record.values.get("tokens") is None:
            raise DataError(f"{record.place} needs the columns tokens and {' or '.join(LABEL_COLUMNS)}")
        words, given = record.values["tokens"], record.values[column]
        if not isinstance(given, list) or not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise DataError(f"{record.place} needs lists under tokens and {column}, of words and of their labels")
        tags = [_label_name(tag, names.get(column, labels), record) for tag in given]
        if len(words) != len(tags):
            raise DataError(f"{record.place} has {len(words)} tokens, but {len(tags)} labels")
        if column == "upos" and any(tag != "_" for tag in tags):
            # In the Hub's form of UD a fused word such as `du` stands before its parts, without a tag.
            words = [word for word, tag in zip(words, tags) if tag != "_"]
            tags = [tag for tag in tags if tag != "_"]
        if words:
            line = int(record.place.rsplit(":", 1)[1])
            sentences.append(_Raw(words, tags, [line] * len(words)))
    return _without_prefix(sentences)


def _label_name(tag: Any, names: Sequence[str], record: Record) -> str:
    if tag is None or tag == -1:
        return ""
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or not 0 <= tag < len(names):
        raise DataError(f"{record.place} has the label {tag!r}, but there are {len(names)}: {', '.join(names)}")
    return names[tag]
