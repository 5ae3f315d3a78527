"""What the verbs that read a corpus have in common: which of its text is read, and whose revision a flag means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


__all__ = ["READING", "RENAMED", "ReadingArguments", "reading_options"]

#: What `--revision` meant in these verbs before it came to mean the model's in every verb.
RENAMED = {"revision": "--revision is a model's; the revision of a Hub dataset is --corpus_revision"}


@dataclass(kw_only=True)
class ReadingArguments:
    """Flags that say what of a corpus is read; `iter_corpus` explains them at length."""

    languages: list[str] | None = field(
        default=None, metadata={"help": "codes to read (swh_Latn; srp for all its scripts); all by default"}
    )
    text_column: str = field(default="text", metadata={"help": "column of JSON, CSV, Parquet and Hub datasets"})
    language_column: str = field(default="language", metadata={"help": "column of the language's code"})
    fold_han: bool = field(default=False, metadata={"help": "write Hans and Hant as Hani, as Glot500 does"})
    split: str = field(default="train", metadata={"help": "split of a Hub dataset"})
    corpus_revision: str | None = field(default=None, metadata={"help": "revision of a Hub dataset"})


#: Their names.
READING = tuple(spec.name for spec in fields(ReadingArguments))


def reading_options(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Name flags as the functions that read a corpus take them.

    Args:
        flags (`Mapping[str, Any]`): Flags to their values; `corpus_revision` is renamed where it is among them.

    Returns:
        `dict[str, Any]`: Keyword arguments.
    """
    return {"revision" if name == "corpus_revision" else name: value for name, value in flags.items()}
