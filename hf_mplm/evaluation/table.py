"""The table of a run on disk: what of it still holds, and what is computed again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_mplm.jobs.digests import digest_files
from hf_mplm.jobs.files import DamagedError, explain_full_disk

from .context import Context
from .files.records import DataError
from .results import ResultRow, has_own_metadata, read_metadata, read_results, run_metadata, write_results
from .task import Cell, Skip, row_cell


__all__ = ["RunTable"]

logger = logging.getLogger(__name__)

# Seconds between two writes of the table: what an interruption can cost at most, besides the cell under way.
WRITE_INTERVAL = 5.0


class _Record(NamedTuple):
    """What a finished cell was computed from: settings that are no part of its rows, and file to digest."""

    settings: Mapping[str, Any]
    files: Mapping[str, str]


_Key = tuple[Cell, str, str]  # the cell, the model, its revision


class RunTable:
    """Rows, and what each cell depends on.

    Args:
        output (`Path`, *optional*): The folder of the run; nothing is written without it.
        context (`Context`): The run, in which all tasks have told what their cells depend on.
        arguments (`Mapping[str, Any]`): The run's arguments, as JSON can hold them.

    Raises:
        ValueError: If the folder holds scores of the same cells under other settings.
        DamagedError: If its table is damaged.
    """

    def __init__(self, output: Path | None, context: Context, arguments: Mapping[str, Any]) -> None:
        self.output, self.context, self.arguments = output, context, dict(arguments)
        self.metadata: dict[str, Any] = {}
        self.rows: list[ResultRow] = []
        self.records: dict[_Key, _Record] = {}
        #: What earlier calls of this run counted of the words that they met.
        self.coverage: dict[str, Any] = {}
        self.known: dict[Path, tuple[tuple[int, int], str]] = {}
        self.written = time.monotonic()
        if output is None or not (output / "results.parquet").is_file():
            return
        self.rows = read_results(output)
        if not has_own_metadata(output):
            raise ValueError(
                f"{output / 'results.parquet'} does not say what its scores were computed from (an older version "
                "wrote it), so that they cannot be gone on with; give another --output, or delete it to compute "
                "everything again"
            )
        said = read_metadata(output)
        self.records = _decode(output, said)
        self.coverage = dict(said.get("coverage") or {})
        self._take_over()

    def add(self, rows: Sequence[ResultRow]) -> None:
        """Add the rows of a finished cell.

        Args:
            rows (`Sequence[ResultRow]`): The rows.

        Raises:
            DataError: If a file was changed while its score was computed.
        """
        for cell in dict.fromkeys(map(row_cell, rows)):
            needs = self.context.needs_of(cell)
            if needs.files:
                before = {path: self.known[path][1] for path in needs.files if path in self.known}
                for path, digest in self._digests(needs.files).items():
                    if before.get(path, digest) != digest:
                        raise DataError(f"{path} was changed while it was being scored; repeat the same command")
            self.records[self._key(cell)] = self._record(cell)
        self.rows.extend(rows)
        if time.monotonic() - self.written > WRITE_INTERVAL:
            self.write()

    def write(self) -> None:
        """Write what there is, whole or not at all."""
        if self.output is None:
            return
        described = {**run_metadata(self.arguments), **self.metadata}
        described["skipped"] = [Skip(*skip)._asdict() for skip in self.context.skips]
        with explain_full_disk(self.output, "Free some space and repeat the same command, which goes on from here."):
            write_results(self.output, self.rows, described, records=_encode(self.records))
        self.written = time.monotonic()

    def _take_over(self) -> None:
        context, stale = self.context, dict[Cell, list[str]]()
        mine = (context.model.name, context.model.revision)
        here = {row_cell(row) for row in self.rows if (row.model, row.revision) == mine}
        for cell in here:
            record = self.records.get(self._key(cell))
            if cell not in context.needs and record is not None and record.files:
                continue  # of a task that is not asked for now
            now = self._record(cell)
            if record is None:
                stale[cell] = ["what it was computed from is not known"]
                continue
            self._refuse_other_settings(cell, record.settings, now.settings)
            changed = [name for name in {*record.files, *now.files} if record.files.get(name) != now.files.get(name)]
            if changed:
                stale[cell] = sorted(changed)
            else:
                context.finished.add(cell)
        if stale:
            names = sorted({name for changed in stale.values() for name in changed})
            logger.warning(
                "%d scores of %s are computed again, because this has changed since: %s%s",
                len(stale),
                ", ".join(sorted({cell.task for cell in stale})),
                ", ".join(names[:3]),
                f" and {len(names) - 3} more" if len(names) > 3 else "",
            )
            self.rows = [row for row in self.rows if (row.model, row.revision) != mine or row_cell(row) not in stale]
        others = sorted({row.revision for row in self.rows if row.model == mine[0]} - {mine[1]})
        if others and not here:
            logger.warning(
                "%s is not what it was (%s then, %s now): its scores are computed again, beside those of then",
                mine[0],
                ", ".join(others),
                mine[1],
            )

    def _refuse_other_settings(self, cell: Cell, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.output} was computed with {name}={before.get(name)!r}, not {now.get(name)!r}; give "
                    f"another --output, or delete it to compute everything again ({cell.task}, {cell.setting})"
                )

    def _key(self, cell: Cell) -> _Key:
        return cell, self.context.model.name, self.context.model.revision

    def _record(self, cell: Cell) -> _Record:
        needs = self.context.needs_of(cell)
        digests = self._digests(needs.files)
        return _Record(dict(needs.settings), {self._name(path): digest for path, digest in digests.items()})

    def _name(self, path: Path) -> str:
        # Where the data stand is no part of what they are.
        folder = self.context.data_dir
        if not path.is_relative_to(folder):
            return path.name
        name = path.relative_to(folder).as_posix()
        benchmark, _, rest = name.partition("/")
        origin = self.context.origins.get(benchmark)
        return name if origin is None else f"{origin.id}@{origin.commit}/{rest}"

    def _digests(self, paths: frozenset[Path]) -> dict[Path, str]:
        """Digests by content; a file whose size and time are as they were is not read again."""
        signs = {}
        for path in sorted(paths):
            stat = path.stat()
            signs[path] = (stat.st_size, stat.st_mtime_ns)
        new = [path for path, sign in signs.items() if path not in self.known or self.known[path][0] != sign]
        for path, digest in zip(new, digest_files(new)):
            self.known[path] = (signs[path], digest)
        return {path: self.known[path][1] for path in signs}


def _encode(records: Mapping[_Key, _Record]) -> dict[str, Any]:
    """Write records so that what many cells share stands there once."""
    files: dict[tuple[str, str], int] = {}
    settings: list[Mapping[str, Any]] = []
    cells = []
    for (cell, model, revision), record in records.items():
        if record.settings not in settings:
            settings.append(record.settings)
        numbers = [files.setdefault(pair, len(files)) for pair in sorted(record.files.items())]
        cells.append([list(cell), model, revision, settings.index(record.settings), numbers])
    return {"files": [list(pair) for pair in files], "settings": settings, "cells": cells}


def _decode(output: Path, metadata: Mapping[str, Any]) -> dict[_Key, _Record]:
    try:
        found = metadata.get("records") or {"files": [], "settings": [], "cells": []}
        return {
            (Cell(*cell), str(model), str(revision)): _Record(
                found["settings"][number], dict(found["files"][file] for file in files)
            )
            for cell, model, revision, number, files in found["cells"]
        }
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DamagedError(
            output / "results.parquet", "its metadata are not those of a run", "Delete it, or give another --output."
        ) from error
