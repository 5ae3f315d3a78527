"""Which files a corpus has, which language each of them names, and which files are passed over."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from .formats import READABLE, format_of, why_unread
from .hub_source import discover_hub
from .naming import count_codes, language_of, likely_script, scripted_code
from .openers import name_damage
from .options import ReadOptions
from .peek import NotACorpusError, Sample, look_into
from .quoting import list_some, printable
from .report import NOT_ASKED_FOR, CorpusReport
from .resolver import CodeResolver
from .segments import SourceFile
from .walk import describe_special, walk_files


__all__ = ["CodeResolver", "ReadOptions", "SourceFile", "discover"]

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")
_MOST_PROBLEMS = 5
_MOST_SHOWN = 30


def discover(source: str | Path, options: ReadOptions, report: CorpusReport | None = None) -> list[SourceFile]:
    """The files of one corpus, in the order in which they are read.

    Args:
        source (`str` or `Path`): a folder, a file, or the id of a dataset on the Hub.
        options (`ReadOptions`): how it is read.
        report (`CorpusReport`, *optional*): receives the files that are passed over, and why.

    Raises:
        FileNotFoundError: if `source` is neither on this machine nor, as far as can be told, on the Hub.
        ValueError: if it holds nothing to read, or a file's name carries no language.
        OSError: if a file cannot be read or is damaged.
    """
    report = CorpusReport() if report is None else report
    path = Path(source)
    if path.is_file():
        if format_of(path.name) is None:
            raise ValueError(f"{printable(str(source))}: {why_unread(path.name)}; needed is {READABLE}")
        return _Folder(path.parent, str(path.parent), options, report).read([path])
    if path.is_dir():
        return _Folder(path, str(source), options, report).discover()
    if path.exists():
        raise ValueError(f"{printable(str(source))} is {describe_special(path)}")
    if not _HUB_ID.match(str(source)):
        raise FileNotFoundError(
            f"{printable(str(source))}: there is no such folder or file ({printable(str(path.resolve()))}), and it "
            "cannot be the id of a dataset on the Hub either, which would look like OWNER/NAME"
        )
    return discover_hub(str(source), options)


class _Folder:
    """The files of a folder, with what is found wrong with their names."""

    def __init__(self, root: Path, shown: str, options: ReadOptions, report: CorpusReport) -> None:
        self.root, self.options, self.report = root, options, report
        self.shown = printable(shown.rstrip("/") or "/")
        self.resolver = CodeResolver(options)
        self.problems: list[str] = []

    def discover(self) -> list[SourceFile]:
        """The files of all that is below the folder."""
        paths = []
        for path in walk_files(self.root, self._pass_over):
            if format_of(path.name) is None:
                self._pass_over(path, why_unread(path.name))
            else:
                paths.append(path)
        files = self.read(paths)
        if not paths or (not files and all(path.stat().st_size for path in paths) and not self.options.languages):
            raise ValueError(
                f"{self.shown}: this folder holds no corpus. Needed are files such as {READABLE} (columns "
                f"{self.options.text_column!r} and {self.options.language_column!r})"
                f"{self.report.explain_passed_over()}"
            )
        return files

    def read(self, paths: list[Path]) -> list[SourceFile]:
        """Those of some files that are to be read."""
        names = {path: PurePosixPath(path.relative_to(self.root).as_posix()) for path in paths}
        codes = count_codes(names.values())
        files = [file for path, name in names.items() if (file := self._read_one(path, name, codes)) is not None]
        if self.problems:
            left = len(self.problems) - _MOST_PROBLEMS
            more = f"\n(and {left} more)" if left > 0 else ""
            known = sorted({file.language for file in files if file.language})
            others = f" {' '.join(known)}" if 0 < len(known) <= _MOST_SHOWN else ""
            raise ValueError(
                "\n".join(self.problems[:_MOST_PROBLEMS]) + more + "\nA file of a corpus is named by its language, "
                "as in swh_Latn.txt: rename it, move it elsewhere, or name the languages to read with --languages"
                f"{others}"
            )
        return files

    def _read_one(self, path: Path, relative: PurePosixPath, codes: dict[PurePosixPath, int]) -> SourceFile | None:
        name = self._name(path)
        size = path.stat().st_size
        if size == 0:
            self._pass_over(path, "empty")
            return None
        try:
            sample = self._look(path, relative, name)
        except NotACorpusError as error:
            self._pass_over(path, str(error))
            return None
        try:
            language = self._language_of(relative, sample, codes)
        except ValueError as error:
            # With --languages a file whose name is no code is not asked for.
            if self.options.languages is None:
                self.problems.append(f"{name}: {error}")
            else:
                self._pass_over(path, "named by no language that --languages names")
            return None
        if language is not None and not self.resolver.wants(language):
            self._pass_over(path, NOT_ASKED_FOR)
            return None
        return SourceFile(sample.kind, str(path), name, size, language)

    def _look(self, path: Path, relative: PurePosixPath, name: str) -> Sample:
        kind = format_of(path.name)
        assert kind is not None
        try:
            with name_damage(name):
                return look_into(path, kind.kind, likely_script(relative), self.options)
        except NotACorpusError:
            raise
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        except PermissionError as error:
            raise PermissionError(
                f"{name} may not be read by this user: allow it (chmod u+r), or take it out of the corpus"
            ) from error

    def _language_of(self, relative: PurePosixPath, sample: Sample, codes: dict[PurePosixPath, int]) -> str | None:
        """The code that a file's path carries; None if its rows say it and the path does not."""
        wanted = self.options.language_column
        if sample.columns is not None and wanted in sample.columns:
            scripted = scripted_code(relative)
            return self.resolver.parse(scripted) if scripted else None
        try:
            return language_of(relative, sample.text, self.resolver, codes)
        except ValueError as error:
            # A corpus may be given by the folder of one language.
            if scripted := scripted_code(PurePosixPath(os.path.basename(os.path.abspath(self.root)))):
                return self.resolver.parse(scripted)
            if sample.columns is None:
                raise
            if not sample.columns:
                raise ValueError(f"no line at its beginning is a JSON object, and {error}") from error
            raise ValueError(
                f"there is no column {wanted!r} among {list_some(sorted(sample.columns))}, and the path says no "
                f"language ({error}); name the column that holds the code with --language_column"
            ) from error

    def _name(self, path: Path) -> str:
        return f"{self.shown.rstrip('/')}/{printable(path.relative_to(self.root).as_posix())}"

    def _pass_over(self, path: Path, why: str) -> None:
        self.report.pass_over(self._name(path), why)
