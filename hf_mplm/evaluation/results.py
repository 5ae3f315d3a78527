from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from importlib import metadata as package_metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm.languages import family, parse_code, resource, script_group


__all__ = [
    "NOT_APPLICABLE",
    "RESULT_FIELDS",
    "ResultRow",
    "make_row",
    "read_metadata",
    "read_results",
    "run_metadata",
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


def write_results(path: str | Path, rows: Iterable[ResultRow], metadata: Mapping[str, Any] | None = None) -> Path:
    """Write a table of results as Parquet, and what it was computed with as JSON beside it.

    Both files are replaced in one step each, so that a reader never meets half a table.

    Args:
        path (`str` or `Path`): The Parquet file, or a folder, where it is called `results.parquet`.
        rows (`Iterable[ResultRow]`): The results.
        metadata (`Mapping[str, Any]`, *optional*): Contents of the JSON file, by default [`run_metadata`] without
            arguments.

    Returns:
        `Path`: The Parquet file.
    """
    path = _table_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(zip(*(astuple(row) for row in rows))) or [()] * len(RESULT_FIELDS)
    table = pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA)], schema=_SCHEMA
    )
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(table, partial)
    os.replace(partial, path)
    description = path.with_suffix(".json")
    partial = description.with_name(f".{description.name}.partial")
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(dict(metadata) if metadata is not None else run_metadata({}), file, indent=2, ensure_ascii=False)
    os.replace(partial, description)
    return path


def read_results(path: str | Path) -> list[ResultRow]:
    """Read a table that [`write_results`] wrote.

    Args:
        path (`str` or `Path`): The Parquet file or its folder.

    Returns:
        `list[ResultRow]`: The rows in the order in which they were written.

    Raises:
        FileNotFoundError: If there is no table.
        ValueError: If the file has other columns than a table of results.
    """
    path = _table_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no results at {path}: run `hf-mplm evaluate --output {path.parent}` first")
    table = pq.read_table(path)
    missing = [name for name in RESULT_FIELDS if name not in table.column_names]
    if missing:
        raise ValueError(f"{path} is not a table of results: it lacks the columns {', '.join(missing)}")
    return [ResultRow(**row) for row in table.select(list(RESULT_FIELDS)).to_pylist()]


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Read the JSON that stands beside a table of results.

    Args:
        path (`str` or `Path`): The Parquet file or its folder.

    Returns:
        `dict[str, Any]`: Its contents, empty if there is none.
    """
    description = _table_path(path).with_suffix(".json")
    if not description.is_file():
        return {}
    with open(description, encoding="utf-8") as file:
        contents: dict[str, Any] = json.load(file)
    return contents


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
