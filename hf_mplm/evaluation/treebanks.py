"""The folder of Universal Dependencies: which treebanks of which languages it has."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from hf_mplm.languages import parse_code

from .conllu import Tree, read_conllu
from .context import MissingDataError
from .readers import SPLIT_NAMES, read_lines


__all__ = ["Treebanks"]

# `en_partut-ud-test.conllu`, in the folder itself or in one a treebank.
FILE_NAME = re.compile(r"(?P<code>[a-z]{2,3})_(?P<treebank>[^-]+)-ud-(?P<split>[a-z]+)\.conllu(?:\.gz)?")
# Lines that tell the script of a language.
SAMPLE_LINES = 2000


class Treebanks:
    """CoNLL-U files by language and split, named as UD names them.

    Where a language has several treebanks, their sentences follow one another in the order of their names.

    Args:
        folder (`Path`): The folder of the treebanks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[tuple[str, str], list[Path]] = defaultdict(list)
        splits = {name: split for split, names in SPLIT_NAMES.items() for name in names}
        codes: dict[tuple[str, str], str | None] = {}
        for path in sorted(folder.rglob("*.conllu*")) if folder.is_dir() else []:
            match = FILE_NAME.fullmatch(path.name)
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
        return [tree for path in paths for tree in read_conllu(path)]


def _code(name: str, path: Path) -> str | None:
    forms = [line.split("\t")[1] for line in read_lines(path)[:SAMPLE_LINES] if line[:1].isdigit() and "\t" in line]
    for text in (_text(forms), None):
        try:
            return parse_code(name, text=text).code
        except ValueError:
            # Without its text a treebank still has a language; what is no language at all is left out.
            continue
    return None


def _text(forms: Sequence[str]) -> str:
    return " ".join(form for form in forms if form != "_")
