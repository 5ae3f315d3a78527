"""Which files a corpus has, and which language each of them names."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm.languages import parse_code


__all__ = ["CodeResolver", "ReadOptions", "SourceFile", "discover", "has_script", "open_binary", "text_values"]

logger = logging.getLogger(__name__)

_KINDS = {".txt": "text", ".tsv": "verses", ".jsonl": "jsonl", ".parquet": "parquet"}
_SCRIPTED = re.compile(r"^([a-z]{2,3}[_-][A-Z][a-z]{3})(?=$|[._-])")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")
_SAMPLE_BYTES = 1 << 16
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class ReadOptions:
    """How a corpus is read.

    Args:
        languages (`tuple[str, ...]`, *optional*): codes to read, all others are left alone; a code without a script
            (`srp`) takes all scripts of the language.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSONL, Parquet and Hub datasets.
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


@dataclass(frozen=True)
class SourceFile:
    """One file of a corpus, or one configuration of a Hub dataset.

    Args:
        kind (`str`): `text`, `verses`, `jsonl`, `parquet` or `hub`.
        path (`str`): what is opened.
        name (`str`): how reports name it.
        size (`int`): bytes; shards for a Hub configuration.
        language (`str`, *optional*): the code that the name carries; rows may say otherwise.
        config (`str`, *optional*): configuration of a Hub dataset.
    """

    kind: str
    path: str
    name: str
    size: int
    language: str | None = None
    config: str | None = None

    @property
    def compressed(self) -> bool:
        """Whether the file is read through gzip, which cannot begin in the middle."""
        return self.path.endswith(".gz")


class CodeResolver:
    """Turn the codes that a corpus uses into codes of the package, and leave out the languages not asked for."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self._codes: dict[str, str] = {}
        self._same: dict[tuple[str, str], bool] = {}
        self._wanted: set[str] | None = None
        if options.languages is not None:
            # Any script serves to validate a language that stands without one.
            self._wanted = {
                self.parse(code) if has_script(code) else parse_code(f"{code}_Latn").language
                for code in options.languages
            }

    def parse(self, code: str, *, text: str | None = None, hint: str | None = None) -> str:
        """The package's code for `code`.

        Args:
            code (`str`): as the corpus writes it.
            text (`str`, *optional*): tells the script where the code lacks it.
            hint (`str`, *optional*): code of the file; a bare `code` of the same language takes its script.

        Raises:
            ValueError: if it is no code; the message names the nearest ones.
        """
        if code in self._codes:
            return self._codes[code]
        if has_script(code):
            self._codes[code] = parse_code(code, fold_han=self.options.fold_han).code
            return self._codes[code]
        if hint is not None and self._same_language(code, hint):
            return hint
        return parse_code(code, text=text, fold_han=self.options.fold_han).code

    def parse_row(self, code: str, text: str, hint: str | None = None) -> str | None:
        """The same for a row, whose text may be too little to tell a script from: None, if nothing else tells it.

        Raises:
            ValueError: if it is no code.
        """
        try:
            return self.parse(code, text=text, hint=hint)
        except ValueError:
            parse_code(f"{code}_Latn")  # raises where it is the language that is wrong
        try:
            return parse_code(code, fold_han=self.options.fold_han).code
        except ValueError:
            return None

    def _same_language(self, code: str, hint: str) -> bool:
        if (code, hint) not in self._same:
            language, script = hint.split("_")
            self._same[code, hint] = parse_code(f"{code}_{script}").language == language
        return self._same[code, hint]

    def wants(self, code: str) -> bool:
        """Whether sentences of this code are to be read."""
        return self._wanted is None or code in self._wanted or code.split("_")[0] in self._wanted

    def missing(self, found: Iterable[str]) -> list[str]:
        """The languages that were asked for and are not among `found`."""
        have = set(found) | {code.split("_")[0] for code in found}
        return sorted((self._wanted or set()) - have)


def has_script(code: str) -> bool:
    """Whether a code as the corpus writes it names its script."""
    return bool(re.search(r"[_-][A-Za-z]{4}([_-]|$)", code))


def open_binary(path: str | Path) -> IO[bytes]:
    """Open a file, through gzip where its name says so."""
    return gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def discover(source: str | Path, options: ReadOptions) -> list[SourceFile]:
    """The files of one corpus, in the order in which they are read.

    Args:
        source (`str` or `Path`): a folder, a file, or the id of a dataset on the Hub.
        options (`ReadOptions`): how it is read.

    Raises:
        FileNotFoundError: if `source` is neither on this machine nor, as far as can be told, on the Hub.
        ValueError: if it holds nothing to read, or a file's name carries no language.
    """
    path = Path(source)
    if path.is_file():
        return _local_files([path], path.parent, str(path.parent), options)
    if path.is_dir():
        found = sorted(
            (file for file in path.rglob("*") if file.is_file() and _kind(file) and not _hidden(file, path)),
            key=lambda file: file.relative_to(path).parts,
        )
        if not found:
            raise ValueError(
                f"{source}: this folder holds no corpus. Needed are files such as swh_Latn.txt, swh_Latn.txt.gz (one "
                f"sentence a line), swh_Latn.tsv (id, tab, sentence), *.jsonl or *.parquet (columns "
                f"{options.text_column!r} and {options.language_column!r})"
            )
        return _local_files(found, path, str(source), options)
    if not _HUB_ID.match(str(source)):
        raise FileNotFoundError(
            f"{source}: there is no such folder or file ({path.resolve()}), and it cannot be the id of a dataset on "
            "the Hub either, which would look like OWNER/NAME"
        )
    from .hub_source import discover_hub

    return discover_hub(str(source), options)


def _local_files(paths: list[Path], root: Path, shown_root: str, options: ReadOptions) -> list[SourceFile]:
    resolver = CodeResolver(options)
    files, problems = [], []
    for path in paths:
        relative = PurePosixPath(path.relative_to(root).as_posix())
        name = f"{shown_root.rstrip('/')}/{relative}"
        kind = _kind(path)
        if kind is None:
            raise ValueError(f"{name}: not a kind of file that can be read ({', '.join(_KINDS)}, or these with .gz)")
        if path.stat().st_size == 0:
            logger.warning("%s is empty", name)
            continue
        try:
            columns, text = _look_into(path, kind, options)
        except (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowInvalid) as error:
            raise ValueError(f"{name} is damaged or cut short ({error}); fetch it again") from error
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        try:
            language = _language_of(relative, columns, text, resolver)
        except ValueError as error:
            # With --languages a file whose name is no code is not asked for.
            if options.languages is None:
                problems.append(f"{name}: {error}")
            continue
        if language is None or resolver.wants(language):
            files.append(SourceFile(kind, str(path), name, path.stat().st_size, language))
    if problems:
        more = f"\n(and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise ValueError(
            "\n".join(problems[:5]) + more + "\nA file of a corpus is named by its language, as in swh_Latn.txt: "
            "rename it, move it elsewhere, or name the languages to read with --languages"
        )
    return files


def _kind(path: Path) -> str | None:
    suffixes = path.name.removesuffix(".gz")
    return _KINDS.get(Path(suffixes).suffix) if path.suffix != ".gz" or not suffixes.endswith(".parquet") else None


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _language_of(relative: PurePosixPath, columns: set[str], text: str, resolver: CodeResolver) -> str | None:
    """The code that a file's name carries; None if its rows say it and the name does not."""
    # The file's own name first, then its folders from the inside out, as in swh_Latn/train/0001.parquet.
    matches = (_SCRIPTED.match(part) for part in reversed(relative.parts))
    scripted = next((match[1] for match in matches if match), None)
    wanted = resolver.options.language_column
    if wanted in columns:
        return resolver.parse(scripted) if scripted else None
    try:
        return resolver.parse(scripted or relative.name.split(".")[0], text=text)
    except ValueError as error:
        if not columns:
            raise
        raise ValueError(
            f"there is no column {wanted!r} among {', '.join(sorted(columns))}, and the file's name says no language "
            f"({error}); name the column that holds the code with --language_column"
        ) from error


def _look_into(path: Path, kind: str, options: ReadOptions) -> tuple[set[str], str]:
    """The columns of a file, none of a text, and some text of it."""
    if kind not in ("text", "verses"):
        return _peek(path, kind, options)
    with open_binary(path) as handle:
        sample = handle.read(_SAMPLE_BYTES)
    if sample[:2] in _UTF16_MARKS:
        raise ValueError(f"this is UTF-16, needed is UTF-8: iconv -f UTF-16 -t UTF-8 {path.name} > NEW_FILE")
    return set(), sample.decode("utf-8", errors="ignore")


def _peek(path: Path, kind: str, options: ReadOptions) -> tuple[set[str], str]:
    """The columns of a file, and some text of it."""
    if kind == "parquet":
        with pq.ParquetFile(path) as table:
            columns = set(table.schema_arrow.names)
            _need_column(columns, options)
            first = next(table.iter_batches(batch_size=20, columns=[options.text_column]), None)
            texts = [] if first is None else text_values(first.column(0))
            return columns, b"\n".join(t for t in texts if isinstance(t, bytes)).decode("utf-8", errors="ignore")
    lines, columns = [], set()
    with open_binary(path) as handle:
        for row in itertools.islice(_json_rows(handle), 20):
            columns |= set(row)
            lines.append(str(row.get(options.text_column, "")))
    if lines:
        _need_column(columns, options)
    return columns, "\n".join(lines)


def text_values(column: pa.Array) -> list[Any]:
    """The values of a column, strings as bytes, so that one that is not UTF-8 does not spoil the others."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return column.to_pylist()


def _need_column(columns: set[str], options: ReadOptions) -> None:
    if options.text_column not in columns:
        raise ValueError(
            f"there is no column {options.text_column!r} among {', '.join(sorted(columns))}; name the one that holds "
            "the text with --text_column"
        )


def _json_rows(handle: Iterable[bytes]) -> Iterator[dict[str, object]]:
    for line in handle:
        try:
            row = json.loads(line.decode("utf-8-sig", errors="ignore"))
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            yield row
