"""A benchmark whose folder has files of its own for each language and split."""

from __future__ import annotations

from pathlib import Path

from .corpus import Corpus, Example
from .layouts import find_split, list_folders, resolve_codes


__all__ = ["FolderCorpus"]


class FolderCorpus(Corpus[Example]):
    """The files of a benchmark in the layouts of [`find_split`], by language-script.

    Args:
        folder (`Path`): The folder of the benchmark.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = resolve_codes(list_folders(folder), self._sample)

    def languages(self) -> list[str]:
        """List the language-scripts that have test data.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return sorted(code for code, name in self.names.items() if find_split(self.folder, name, "test"))

    def paths(self, language: str, split: str) -> list[Path]:
        """Find the files of one split of one language.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[Path]`: The files; empty if there are none.
        """
        return find_split(self.folder, self.names[language], split) if language in self.names else []

    def _sample(self, name: str) -> str:
        """Read some text of a language, which tells the script where the name does not."""
        return ""
