"""The folder of Universal Dependencies: which treebanks of which languages it has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .conllu import NUMBER, Tree, read_conllu, with_text
from .corpus import BenchmarkFiles, MissingDataError, RefusedDataError
from .hub_data import HubDataset
from .layouts import SPLIT_NAMES, DataError, read_records, require_columns, whole_shards
from .names import Meaning, meaning_of, resolve_codes
from .opening import COMPRESSIONS, plain_name, read_head
from .report import Findings, list_files
from .samples import sample_text
from .tables import list_class_names


__all__ = ["HUB", "Treebanks", "treebank_meaning"]

LAYOUT = "xx_treebank-ud-SPLIT.conllu or xx_treebank/SPLIT-*.parquet"
# `en_partut-ud-test.conllu`, in the folder itself or in one a treebank; `ru_syntagrus-ud-train-a.conllu` is a part.
FILE_NAME = re.compile(
    r"(?P<name>(?P<code>[a-z]{2,3})_[^-/]+)-ud-(?P<split>[a-z]+)(?:-(?P<part>[a-z]|\d+))?\.conllu", re.IGNORECASE
)
# The Hub's `en_partut/test-00000-of-00001.parquet` and `en_partut/test/0000.parquet`.
TABLE_NAME = re.compile(
    r"(?:.*/)?(?P<name>(?P<code>[a-z]{2,3})_[^/]+)/(?P<split>[a-z]+)(?:-[^/]*|/[^/]*)?\.parquet", re.IGNORECASE
)
# What the Hub writes for the head of a fused word or an empty node.
NO_HEAD = (None, "None", "_", "")

# What UD calls its languages where ISO 639 has another code for it, or none.
PRIVATE = {
    "qaf": "Maghrebi Arabic and French, mixed",
    "qfn": "Frisian and Dutch, mixed",
    "qhe": "Hindi and English, mixed",
    "qpm": "Pomak, which ISO 639-3 does not have",
    "qtd": "Turkish and German, mixed",
    "qte": "Telugu and English, mixed",
    "qti": "Turkish and English, mixed",
}
# Treebanks of which the code says less than UD does.
MEANINGS: Mapping[str, Meaning] = {
    "no_bokmaal": Meaning("nob_Latn"),
    "no_nynorsk": Meaning("nno_Latn"),
    "no_nynorsklia": Meaning("nno_Latn"),
    "zh_beginner": Meaning("zho_Hans"),
    "zh_cfl": Meaning("zho_Hans"),
    "zh_gsd": Meaning("zho_Hant"),
    "zh_gsdsimp": Meaning("zho_Hans"),
    "zh_hk": Meaning("zho_Hant"),
    "zh_patentchar": Meaning("zho_Hans"),
    "zh_pud": Meaning("zho_Hant"),
}


def treebank_meaning(treebank: str) -> Meaning:
    """Tell which language a treebank is of.

    Args:
        treebank (`str`): Its name, such as `"zh_gsd"`.

    Returns:
        `Meaning`: What UD says of it, or the code that its name begins with.
    """
    return meaning_of(treebank, MEANINGS) if treebank.lower() in MEANINGS else Meaning(treebank.split("_")[0])


# Release 2.17, which is the name of a branch.
HUB = HubDataset(
    "ud",
    "commul/universal_dependencies",
    "2.17",
    r"parquet/(?P<path>(?P<name>[a-z]{2,3}_[^/]+)/(?P<split>train|dev|test)\.parquet)",
    "each treebank its own",
    treebank_meaning,
)


class _Found(NamedTuple):
    """One file of a treebank; `form` tells apart what holds the same split in another place or format."""

    form: tuple[bool, str, bool]
    part: str
    path: Path


class Treebanks(BenchmarkFiles):
    """Treebanks by language and split, named as UD names them, in CoNLL-U or in the Hub's Parquet.

    Where a language has several treebanks, their sentences follow one another in the order of their names, and so do
    the parts of a split that is in several files.

    Args:
        folder (`Path`): The folder of the treebanks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[tuple[str, str], list[Path]] = defaultdict(list)
        self.found = Findings(folder, LAYOUT)
        self.findings = [self.found]
        self._gaps: dict[Path, str] = {}
        splits = {name: split for split, names in SPLIT_NAMES.items() for name in names}
        treebanks: dict[str, dict[str, list[_Found]]] = defaultdict(lambda: defaultdict(list))
        for path in list_files(folder):
            if found := _match(path, folder):
                match, form = found
                if match["split"].lower() in splits:
                    part = match.groupdict().get("part") or ""
                    split = splits[match["split"].lower()]
                    treebanks[match["name"].lower()][split].append(_Found(form, part, path))
        codes = self._codes(treebanks)
        for treebank, code in sorted(codes.items()):
            for split, files in treebanks[treebank].items():
                self.files[code, split].extend(self._choose(files))
        self._tell_merged(codes)

    def languages(self) -> list[str]:
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
            DataError: If a file does not hold what CoNLL-U promises, or a part is missing.
        """
        paths = self.files.get((language, split), [])
        if not paths:
            raise MissingDataError(
                f"there is no {split} treebank of {language}: no file like {self.folder}/xx_treebank-ud-{split}.conllu"
            )
        for path in paths:
            if path in self._gaps:
                raise DataError(self._gaps[path])
        whole_shards([path for path in paths if _is_table(path)])
        return [tree for path in paths for tree in (_read_table(path) if _is_table(path) else read_conllu(path))]

    def _codes(self, treebanks: Mapping[str, Mapping[str, Sequence[_Found]]]) -> dict[str, str]:
        codes = {}
        for treebank, by_split in treebanks.items():
            paths = [found.path for split in ("test", "dev", "train") for found in by_split.get(split, ())]
            name = treebank.split("_")[0]
            if name in PRIVATE:
                self.found.leave(paths, f"{name} is UD's own code for {PRIVATE[name]}")
                continue
            if "a" <= name[1:2] <= "t" and name[0] == "q" and len(name) == 3:
                self.found.leave(paths, f"{name} is a code for private use, which UD alone explains")
                continue
            # One at a time: several treebanks of a language are no conflict.
            meanings = {name: treebank_meaning(treebank)}
            resolved = resolve_codes([name], lambda _, paths=paths: _sample(paths), meanings)  # type: ignore[misc]
            if resolved.codes:
                codes[treebank] = next(iter(resolved.codes))
            else:
                self.found.leave(paths, resolved.unused[name])
        return codes

    def _choose(self, files: Sequence[_Found]) -> list[Path]:
        """Take one form of a split of one treebank, whole or in parts."""
        forms = sorted({found.form for found in files})
        chosen = sorted((found for found in files if found.form == forms[0]), key=lambda found: _order(found.part))
        whole = [found for found in chosen if not found.part]
        if whole and len(whole) < len(chosen) and not _is_table(chosen[0].path):
            self.found.leave(
                [found.path for found in chosen if found.part], f"{whole[0].path.name} is read, the whole"
            )
            chosen = whole
        elif chosen[0].part and not _is_gapless([found.part for found in chosen]):
            names = ", ".join(found.path.name for found in chosen)
            self._gaps[chosen[0].path] = f"{chosen[0].path.parent} lacks a part of a split: it has {names} only"
        paths = [found.path for found in chosen]
        self.found.use(paths)
        for found in files:
            if found.form != forms[0]:
                self.found.leave(
                    [found.path], f"{paths[0].relative_to(self.folder)} of the same treebank and split is read"
                )
        return paths

    def _tell_merged(self, codes: Mapping[str, str]) -> None:
        merged: dict[str, list[str]] = defaultdict(list)
        for treebank, code in sorted(codes.items()):
            merged[code].append(treebank)
        for code, treebanks in merged.items():
            if len(treebanks) > 1:
                self.found.note(
                    f"{code} has several treebanks, which are read one after the other: {', '.join(treebanks)}; "
                    f"remove those that are not meant from {self.folder}"
                )


def _match(path: Path, folder: Path) -> tuple[re.Match[str], tuple[bool, str, bool]] | None:
    if match := FILE_NAME.fullmatch(plain_name(path)):
        return match, (False, path.parent.as_posix(), path.suffix.lower() in COMPRESSIONS)
    if match := TABLE_NAME.fullmatch(path.relative_to(folder).as_posix()):
        return match, (True, path.parent.as_posix(), False)
    return None


def _order(part: str) -> tuple[bool, int]:
    return (False, int(part)) if part.isdigit() else (True, ord(part.lower()) - ord("a") if part else -1)


def _is_gapless(parts: Sequence[str]) -> bool:
    numbers = [_order(part) for part in parts]
    first = numbers[0][1]
    # Letters begin at a; numbers at 0 or 1.
    begins = first in ((0,) if numbers[0][0] else (0, 1))
    return begins and numbers == [(numbers[0][0], first + position) for position in range(len(parts))]


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _sample(paths: Sequence[Path]) -> str:
    for path in paths:
        if _is_table(path):
            forms = sample_text(path, ("tokens",)).split("\n")
        else:
            columns = [line.split("\t") for line in read_head(path).split("\n") if line[:1].isdigit()]
            forms = [row[1] for row in columns if len(row) > 1]
        if text := " ".join(form for form in forms if form != "_"):
            return text
    return ""


def _read_table(path: Path) -> list[Tree]:
    records = read_records([path])
    require_columns(records, ["tokens", "upos", "head", "deprel"])
    names = list_class_names(path).get("upos", ())
    trees = []
    if all(head in NO_HEAD for record in records for head in _list(record.values["head"])):
        raise RefusedDataError(f"the trees are withheld: no word of {path} has a head; take the treebank's own file")
    for record in records:
        columns = [record.values[name] for name in ("tokens", "upos", "head", "deprel")]
        if not all(isinstance(column, list) for column in columns):
            raise DataError(f"{record.place} needs lists under tokens, upos, head and deprel")
        if len({len(column) for column in columns}) != 1:
            raise DataError(f"{record.place} has columns of different lengths")
        rows = [row for row in zip(*columns) if row[2] not in NO_HEAD]
        heads = [_head(row[2], len(rows), record.place) for row in rows]
        if not rows:
            raise DataError(f"{record.place} has no words")
        if not all(isinstance(row[0], str) and isinstance(row[3], str) for row in rows):
            raise DataError(f"{record.place} has a word or a relation that is no text")
        tags = [_tag(row[1], names, record.place) for row in rows]
        trees.append(Tree([row[0] for row in rows], tags, heads, [row[3] for row in rows], record.place))
    return with_text(trees)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _head(head: object, words: int, place: str) -> int:
    text = str(head)
    if not NUMBER.fullmatch(text) or int(text) > words:
        raise DataError(f"{place} has the head {text[:40]!r}, but the sentence has {words} words")
    return int(text)


def _tag(tag: object, names: Sequence[str], place: str) -> str:
    if isinstance(tag, str):
        return tag
    if not isinstance(tag, int) or not 0 <= tag < len(names):
        raise DataError(f"{place} has the tag {tag!r}, whose name the file does not give")
    return names[tag]
