from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from importlib import metadata as package_metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from hf_mplm.jobs.files import DamagedError, atomic_write, parse_json, read_json, write_json
from hf_mplm.languages import family, parse_code, resource, script_group


if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "NOT_APPLICABLE",
    "RESULT_FIELDS",
    "ResultRow",
    "Results",
    "has_own_metadata",
    "make_row",
    "read_metadata",
    "read_results",
    "run_metadata",
    "to_dataframe",
    "to_dicts",
    "write_results",
]

#: `layer` of a score that no single layer gave, `seed` of a score in which nothing was drawn.
NOT_APPLICABLE = -1

VERSIONED_PACKAGES = ("hf-mplm", "torch", "transformers", "datasets", "tokenizers", "numpy", "pyarrow")


@dataclass(frozen=True)
class ResultRow:
    """One measured number, with everything that is needed to place it in a table.

    Args:
        task (`str`): Name of the task, such as `"sib200"`.
        language (`str`): Code of the language-script that was scored, such as `"swh_Latn"`.
        script (`str`): Its ISO 15924 script.
        resource (`str`): `"head"` for the 100 languages of XLM-R's pretraining, else `"tail"`.
        script_group (`str`): `"Latn"` or `"non-Latn"`.
        family (`str`): Language family, `"unknown"` where it is not known.
        source_language (`str`): The language that was trained on, or the other side of a retrieval pair. `""` if none.
        direction (`str`): For retrieval `"source->target"` (queries in the source language, answers in `language`) or
            `"target->source"`. `""` for everything else.
        setting (`str`): How it was measured: `"zero-shot"`, `"probe"`, `"plain"`, `"centred"`, ...
        layer (`int`): The hidden layer that was pooled, or -1 where no single layer was chosen.
        metric (`str`): Name of the metric, such as `"macro_f1"`.
        value (`float`): Its value, a fraction rather than a percentage. Never NaN.
        n (`int`): Number of items that were scored.
        n_skipped (`int`): Number of items that could not be scored.
        seed (`int`): Seed of what was drawn (head, batches), or -1 where nothing was.
        model (`str`): Hub id or path of the model.
        revision (`str`): Commit of the Hub model or fingerprint of the local weights.
    """

    task: str
    language: str
    script: str
    resource: str
    script_group: str
    family: str
    source_language: str
    direction: str
    setting: str
    layer: int
    metric: str
    value: float
    n: int
    n_skipped: int
    seed: int
    model: str
    revision: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(
                f"{self.task} {self.language} {self.metric} is {self.value}: a result row holds finite numbers only; "
                "leave out what could not be measured"
            )


RESULT_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(ResultRow))

# Keys of the Parquet's own metadata: what the rows were computed with, and the digest of both.
_OWN, _DIGEST = b"hf_mplm", b"hf_mplm.digest"
_ADVICE = "Fetch it again, or delete it and repeat the command that made it."
_ARROW_TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float64()}
_SCHEMA = pa.schema(
    [pa.field(field.name, _ARROW_TYPES[str(field.type)], nullable=False) for field in fields(ResultRow)]
)


def make_row(
    *,
    task: str,
    language: str,
    metric: str,
    value: float,
    n: int,
    model: str,
    n_skipped: int = 0,
    source_language: str = "",
    direction: str = "",
    setting: str = "",
    layer: int = NOT_APPLICABLE,
    seed: int = NOT_APPLICABLE,
    revision: str = "",
) -> ResultRow:
    """Make a [`ResultRow`], filling what is known of the language from [`hf_mplm.languages`].

    Args:
        task (`str`): Name of the task.
        language (`str`): Code of the language-script that was scored, in any form that `parse_code` accepts.
        metric (`str`): Name of the metric.
        value (`float`): Its value as a fraction.
        n (`int`): Number of items that were scored.
        model (`str`): Hub id or path of the model.
        n_skipped (`int`, *optional*, defaults to 0): Number of items that could not be scored.
        source_language (`str`, *optional*, defaults to `""`): Language that was trained on or retrieved from.
        direction (`str`, *optional*, defaults to `""`): `"source->target"` or `"target->source"` for retrieval.
        setting (`str`, *optional*, defaults to `""`): How it was measured.
        layer (`int`, *optional*, defaults to -1): The layer that was pooled.
        seed (`int`, *optional*, defaults to -1): Seed of what was drawn.
        revision (`str`, *optional*, defaults to `""`): Commit or fingerprint of the model.

    Returns:
        `ResultRow`: The complete row.

    Raises:
        ValueError: If a language code is not known or the value is not finite.
    """
    parsed = parse_code(language)
    return ResultRow(
        task=task,
        language=parsed.code,
        script=parsed.script,
        resource=resource(parsed.code),
        script_group=script_group(parsed.code),
        family=family(parsed.code),
        source_language=parse_code(source_language).code if source_language else "",
        direction=direction,
        setting=setting,
        layer=int(layer),
        metric=metric,
        value=float(value),
        n=int(n),
        n_skipped=int(n_skipped),
        seed=int(seed),
        model=str(model),
        revision=revision,
    )


def run_metadata(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Describe what a table of results was computed with: versions, arguments and hardware.

    Args:
        arguments (`Mapping[str, Any]`): The arguments of the run, each of which JSON can hold.

    Returns:
        `dict[str, Any]`: With the keys `versions`, `arguments` and `hardware`.
    """
    import torch

    versions = {"python": platform.python_version()}
    for package in VERSIONED_PACKAGES:
        try:
            versions[package] = package_metadata.version(package)
        except package_metadata.PackageNotFoundError:
            continue
    hardware: dict[str, Any] = {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }
    return {"versions": versions, "arguments": dict(arguments), "hardware": hardware}


def write_results(
    path: str | Path,
    rows: Iterable[ResultRow],
    metadata: Mapping[str, Any] | None = None,
    *,
    records: Mapping[str, Any] | None = None,
) -> Path:
    """Write a table of results as Parquet, and what it was computed with in its own metadata and as JSON beside it.

    Both files are replaced in one step each, so that a reader never meets half a table.

    Args:
        path (`str` or `Path`): The Parquet file, or a folder, where it is called `results.parquet`.
        rows (`Iterable[ResultRow]`): The results.
        metadata (`Mapping[str, Any]`, *optional*): What they were computed with, by default [`run_metadata`] without
            arguments.
        records (`Mapping[str, Any]`, *optional*): What each cell was computed from, for a run to go on; in the
            Parquet's metadata alone.

    Returns:
        `Path`: The Parquet file.
    """
    path = _table_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    columns = list(zip(*(astuple(row) for row in rows))) or [()] * len(RESULT_FIELDS)
    described = dict(metadata) if metadata is not None else run_metadata({})
    own = json.dumps({**described, **({"records": records} if records is not None else {})}, ensure_ascii=False)
    schema = _SCHEMA.with_metadata({_OWN: own.encode(), _DIGEST: _digest(rows, own).encode()})
    table = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA)], schema=schema
    )
    with atomic_write(path) as file:
        pq.write_table(table, file, write_page_checksum=True, write_statistics=False)
    write_json(path.with_suffix(".json"), described)
    return path


def read_results(path: str | Path) -> Results:
    """Read a table that [`write_results`] wrote.

    Args:
        path (`str` or `Path`): The Parquet file or its folder.

    Returns:
        `Results`: The rows in the order in which they were written.

    Raises:
        FileNotFoundError: If there is no table.
        DamagedError: If the file is no table of results, or not as it was written.
    """
    path = _table_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no results at {path}: run `hf-mplm evaluate --output {path.parent}` first")
    with _readable(path):
        table = pq.read_table(path, page_checksum_verification=True)
        found = table.column_names  # which a flipped bit makes no text any more
    missing = [name for name in RESULT_FIELDS if name not in found]
    if missing:
        raise DamagedError(path, f"it is not a table of results: it lacks the columns {', '.join(missing)}", _ADVICE)
    with _readable(path):
        rows = [ResultRow(**row) for row in table.select(list(RESULT_FIELDS)).cast(_SCHEMA).to_pylist()]
    said = table.schema.metadata or {}
    if _OWN in said:
        with _readable(path):
            own = said[_OWN].decode("utf-8")
        if said.get(_DIGEST, b"") != _digest(rows, own).encode():
            raise DamagedError(path, "its rows are not those that were written", _ADVICE)
    skipped = read_metadata(path).get("skipped", [])
    return Results(rows, skipped if isinstance(skipped, list) else [])


def has_own_metadata(path: str | Path) -> bool:
    """Tell whether a table says itself what it was computed with, which older versions' tables do not.

    Args:
        path (`str` or `Path`): The Parquet file or its folder.

    Returns:
        `bool`: Whether it does, for each of its cells.
    """
    return "records" in _own_metadata(_table_path(path))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read what a table of results was computed with, from its own metadata or else from the JSON beside it.

    Args:
        path (`str` or `Path`): The Parquet file or its folder.

    Returns:
        `dict[str, Any]`: With `versions`, `arguments`, `hardware` and `skipped`; empty if there is none.

    Raises:
        DamagedError: If they cannot be read.
    """
    path = _table_path(path)
    own = _own_metadata(path) if path.is_file() else {}
    if own:
        return own
    contents = read_json(path.with_suffix(".json"), _ADVICE)
    if contents is not None and not isinstance(contents, dict):
        raise DamagedError(path.with_suffix(".json"), "it holds no JSON object", _ADVICE)
    return contents or {}


def _own_metadata(path: Path) -> dict[str, Any]:
    with _readable(path):
        said = pq.read_schema(path).metadata or {}
        own = parse_json(said[_OWN]) if _OWN in said else {}
    if not isinstance(own, dict):
        raise DamagedError(path, "its metadata are no JSON object", _ADVICE)
    return own


def _digest(rows: Iterable[ResultRow], own: str) -> str:
    lines = json.dumps([astuple(row) for row in rows], ensure_ascii=False)
    return xxhash.xxh3_128_hexdigest(f"{lines}\n{own}".encode())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """One boundary for whatever Arrow says of a file that is none of its own, or damaged."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        said = str(error).split("\n", maxsplit=1)[0][:200]
        raise DamagedError(path, f"it is no table of results ({said})", _ADVICE) from error


class Results(list[ResultRow]):
    """The rows of a run, and what was left out of it.

    Args:
        rows (`Iterable[ResultRow]`): The rows.
        skipped (`Sequence[Mapping[str, str]]`, *optional*): `task`, `language` and `reason` of what was left out.
        missing (`Sequence[str]`, *optional*): Tasks and languages that were named and gave no result, one line each.
    """

    def __init__(
        self,
        rows: Iterable[ResultRow] = (),
        skipped: Sequence[Mapping[str, str]] = (),
        missing: Sequence[str] = (),
    ) -> None:
        super().__init__(rows)
        self.skipped, self.missing = list(skipped), list(missing)

    def to_dataframe(self) -> pd.DataFrame:
        """Make a data frame of the rows.

        Returns:
            `pandas.DataFrame`: One row a result, with the columns of `RESULT_FIELDS`.
        """
        return to_dataframe(self)


def to_dataframe(rows: Iterable[ResultRow]) -> pd.DataFrame:
    """Make a data frame of rows.

    Args:
        rows (`Iterable[ResultRow]`): The rows.

    Returns:
        `pandas.DataFrame`: One row a result, with the columns of `RESULT_FIELDS`.
    """
    import pandas

    return pandas.DataFrame(to_dicts(rows), columns=list(RESULT_FIELDS))


def to_dicts(rows: Iterable[ResultRow]) -> list[dict[str, Any]]:
    """Turn rows into plain dictionaries, as `pandas.DataFrame` takes them.

    Args:
        rows (`Iterable[ResultRow]`): The rows.

    Returns:
        `list[dict[str, Any]]`: One dictionary a row, with the keys of `RESULT_FIELDS`.
    """
    return [asdict(row) for row in rows]


def _table_path(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".parquet" else path / "results.parquet"
