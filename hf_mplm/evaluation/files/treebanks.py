"""The folder of Universal Dependencies: which treebanks of which languages it has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from hf_mplm.languages import parse_code

from .conllu import Tree, read_conllu, with_text
from .corpus import MissingDataError
from .layouts import SPLIT_NAMES, DataError, read_records, require_columns
from .tagged import first_lines, list_class_names


__all__ = ["Treebanks"]

# `en_partut-ud-test.conllu`, in the folder itself or in one a treebank.
FILE_NAME = re.compile(r"(?P<code>[a-z]{2,3})_(?P<treebank>[^-]+)-ud-(?P<split>[a-z]+)\.conllu(?:\.gz)?")
# The Hub's `en_partut/test-00000-of-00001.parquet` and `en_partut/test/0000.parquet`.
TABLE_NAME = re.compile(r"(?P<code>[a-z]{2,3})_(?P<treebank>[^/]+)/(?P<split>[a-z]+)(?:-[^/]*|/[^/]*)\.parquet")
# Sentences of a table that tell the script of a language.
SAMPLE_SENTENCES = 100
# What the Hub writes for the head of a fused word or an empty node.
NO_HEAD = (None, "None", "_", "")


class Treebanks:
    """Treebanks by language and split, named as UD names them, in CoNLL-U or in the Hub's Parquet.

    Where a language has several treebanks, their sentences follow one another in the order of their names.

    Args:
        folder (`Path`): The folder of the treebanks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[tuple[str, str], list[Path]] = defaultdict(list)
        splits = {name: split for split, names in SPLIT_NAMES.items() for name in names}
        codes: dict[tuple[str, str], str | None] = {}
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            name = path.relative_to(folder).as_posix()
            match = FILE_NAME.fullmatch(path.name) or TABLE_NAME.search(name)
            if match is None or match["split"] not in splits:
                continue
            treebank = (match["code"], match["treebank"])
            if treebank not in codes:
                codes[treebank] = _code(match["code"], path)
            code = codes[treebank]
            if code is not None:
                self.files[code, splits[match["split"]]].append(path)

    def languages(self) -> list[str]:
        """List the language-scripts that have a test file.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return sorted({code for code, split in self.files if split == "test"})

    def trees(self, language: str, split: str) -> list[Tree]:
        """Read all treebanks of a language.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[Tree]`: The sentences.

        Raises:
            MissingDataError: If there is no file, or one comes without its text.
            DataError: If a file does not hold what CoNLL-U promises.
        """
        paths = self.files.get((language, split), [])
        if not paths:
            raise MissingDataError(
                f"there is no {split} treebank of {language}: no file like {self.folder}/xx_treebank-ud-{split}.conllu"
            )
        return [
            tree for path in paths for tree in (_read_table(path) if path.suffix == ".parquet" else read_conllu(path))
        ]


def _code(name: str, path: Path) -> str | None:
    for text in (_text(path), None):
        try:
            return parse_code(name, text=text).code
        except ValueError:
            # Without its text a treebank still has a language; what is no language at all is left out.
            continue
    return None


def _text(path: Path) -> str:
    if path.suffix == ".parquet":
        records = read_records([path])[:SAMPLE_SENTENCES]
        forms = [str(form) for record in records for form in record.values.get("tokens") or ()]
    else:
        columns = [line.split("\t") for line in first_lines(path) if line[:1].isdigit()]
        forms = [row[1] for row in columns if len(row) > 1]
    return " ".join(form for form in forms if form != "_")


def _read_table(path: Path) -> list[Tree]:
    records = read_records([path])
    require_columns(records, ["tokens", "upos", "head", "deprel"])
    names = list_class_names(path).get("upos", ())
    trees = []
    for record in records:
        columns = [record.values[name] for name in ("tokens", "upos", "head", "deprel")]
        if len({len(column) for column in columns}) != 1:
            raise DataError(f"{record.place} has columns of different lengths")
        rows = [row for row in zip(*columns) if row[2] not in NO_HEAD]
        heads = [_head(row[2], len(rows), record.place) for row in rows]
        if not rows:
            raise DataError(f"{record.place} has no words")
        tags = [_tag(row[1], names, record.place) for row in rows]
        trees.append(Tree([str(row[0]) for row in rows], tags, heads, [str(row[3]) for row in rows], record.place))
    return with_text(trees)


def _head(head: object, words: int, place: str) -> int:
    text = str(head)
    if not text.isascii() or not text.isdigit() or int(text) > words:
        raise DataError(f"{place} has the head {text!r}, but the sentence has {words} words")
    return int(text)


def _tag(tag: object, names: Sequence[str], place: str) -> str:
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or not 0 <= tag < len(names):
        raise DataError(f"{place} has the tag {tag!r}, whose name the file does not give")
    return names[tag]
