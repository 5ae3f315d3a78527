"""Where a benchmark stands on the Hub, and which of its files hold which language and split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hf_mplm._lists import as_list

from .layouts import SPLIT_NAMES
from .names import Meaning, may_mean


__all__ = ["COMMIT", "HubData", "HubDataset", "HubFile", "NotOnHub", "Wanted"]

#: What a revision looks like that can never mean other files.
COMMIT = re.compile(r"[0-9a-f]{40}")
_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}


@dataclass(frozen=True)
class Wanted:
    """What of a benchmark a run reads.

    Args:
        languages (`tuple[str, ...]`, *optional*): Codes of the language-scripts that are scored, by default all.
        sources (`tuple[str, ...]`): Those that are trained on, or retrieved from.
        train_on_targets (`bool`, *optional*, defaults to `False`): Whether the languages that are scored are trained
            on as well.
    """

    languages: tuple[str, ...] | None
    sources: tuple[str, ...]
    train_on_targets: bool = False


class HubFile(NamedTuple):
    """A file of a repository that is read, and where it is laid out under the data folder."""

    path: str
    link: str


@dataclass(frozen=True)
class HubDataset:
    """A benchmark in a dataset repository of the Hub, in a layout that its reader takes from a folder as well.

    Args:
        folder (`str`): The benchmark's folder under the data folder.
        id (`str`): The repository.
        revision (`str`): A commit, or a branch or tag where files are only known to stand there; which commit that was
            is written into the results.
        files (`str`): A pattern that fits the whole path of every file that is read. Its groups are `name` (the
            language, as the benchmark writes it), `split`, and `path` (where the file goes in the folder, by default
            its whole path). A file without a name is read for every language, one without a split for every split.
        licence (`str`): Its licence, in short.
        meaning (`Callable[[str], Meaning]`, *optional*): What the benchmark means by a name, as its reader has it.
        always (`tuple[str, ...]`, *optional*): Language-scripts that the reader needs whatever is asked for.
        training_only (`bool`, *optional*, defaults to `False`): Whether it is here for the source languages alone.
        gated (`bool`, *optional*, defaults to `False`): Whether its terms are accepted on the Hub before it is read.
    """

    folder: str
    id: str
    revision: str
    files: str
    licence: str
    meaning: Callable[[str], Meaning] = Meaning
    always: tuple[str, ...] = ()
    training_only: bool = False
    gated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "always", tuple(as_list(self.always)))

    @property
    def url(self) -> str:
        """The page of the repository."""
        return f"https://huggingface.co/datasets/{self.id}"

    def choose(self, paths: Iterable[str], wanted: Wanted) -> list[HubFile]:
        """Choose the files that a run reads. Where a name leaves the script open, the reader looks at the text later.

        Args:
            paths (`Iterable[str]`): All files of the repository.
            wanted (`Wanted`): What the run reads.

        Returns:
            `list[HubFile]`: The files, sorted.
        """
        pattern = re.compile(self.files)
        chosen = []
        for path in sorted(paths):
            match = pattern.fullmatch(path)
            if match is None:
                continue
            groups = match.groupdict()
            if self._is_read(groups.get("name"), groups.get("split"), wanted):
                chosen.append(HubFile(path, f"{self.folder}/{groups.get('path') or path}"))
        return chosen

    def _is_read(self, name: str | None, split: str | None, wanted: Wanted) -> bool:
        if name is None:
            return True
        meaning = self.meaning(name)
        if may_mean(meaning, (*wanted.sources, *self.always)):
            return True
        if self.training_only or (wanted.languages is not None and not may_mean(meaning, wanted.languages)):
            return False
        return wanted.train_on_targets or split is None or _SPLIT_OF.get(split) == "test"


@dataclass(frozen=True)
class NotOnHub:
    """A benchmark that no repository of the Hub holds, or none from which it may be taken.

    Args:
        folder (`str`): The benchmark's folder under the data folder.
        why (`str`): Why it is not there, as a clause.
        where (`str`): Where it is had.
        files (`str`): What its files are called, in its folder.
        licence (`str`): Its licence, in short.
    """

    folder: str
    why: str
    where: str
    files: str
    licence: str


#: Where a task's benchmark, or one that it takes its training data from, is found.
HubData = HubDataset | NotOnHub
