"""How a corpus is read."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["ReadOptions"]


@dataclass(frozen=True)
class ReadOptions:
    """How a corpus is read.

    Args:
        languages (`tuple[str, ...]`, *optional*): codes to read, all others are left alone; a code without a script
            (`srp`) takes all scripts of the language.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSON, CSV, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): the same for the language's code.
        fold_han (`bool`, *optional*, defaults to `False`): write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): split of a Hub dataset.
        revision (`str`, *optional*): revision of a Hub dataset.
    """

    languages: tuple[str, ...] | None = None
    text_column: str = "text"
    language_column: str = "language"
    fold_han: bool = False
    split: str = "train"
    revision: str | None = None
