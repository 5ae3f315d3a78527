"""What a run began with, and which settings changed on the way: `run.json`, in the output and in every checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_mplm.jobs.digests import digest_files, refuse_damage
from hf_mplm.jobs.files import DamagedError, parse_json, read_json, write_json
from hf_mplm.jobs.plan import plan_differences


__all__ = [
    "RUN_FILE",
    "changed_settings",
    "describe_start",
    "describe_store",
    "origin_differences",
    "read_run",
    "write_run",
]

RUN_FILE = "run.json"

# Settings that need not be the same when a run goes on.
_FREE: tuple[str, ...] = (
    *("dataloader_", "disable_tqdm", "eval_", "hub_", "ignore_data_skip", "log", "max_steps", "num_train_epochs"),
    *("output_dir", "project", "push_", "report_to", "resume_from", "run_name", "save_", "trackio_", "use_cpu"),
)
# Of a configuration: where and by what it was written.
_VOLATILE = ("_name_or_path", "transformers_version")


def read_run(folder: str | Path) -> dict[str, Any] | None:
    """Read `run.json`; None where there is none.

    Returns:
        `dict`: `origin` (what the run began with, or `None`), `processes`, and `changes`: the `step` at which it went
        on with other `settings`, name to value before and after.

    Raises:
        DamagedError: if it is not what was written.
    """
    path = Path(folder) / RUN_FILE
    record = read_json(path, "Go on from another checkpoint.")
    if record is None:
        return None
    if not isinstance(record, dict) or not {"origin", "processes", "changes"} <= set(record):
        raise DamagedError(path, "it must hold origin, processes and changes", "Go on from another checkpoint.")
    if not isinstance(record["origin"], dict | None) or not isinstance(record["changes"], list):
        raise DamagedError(path, "origin must be an object and changes a list", "Go on from another checkpoint.")
    return record


def write_run(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Write `run.json`, whole or not at all."""
    write_json(Path(folder) / RUN_FILE, dict(record))


def describe_start(name_or_path: str | Path, tokenizer_fingerprint: str) -> dict[str, Any]:
    """The content of a checkpoint that a run starts from, wherever it lies.

    Args:
        name_or_path (`str` or `Path`): a folder or an id on the Hub.
        tokenizer_fingerprint (`str`): of its tokenizer.

    Returns:
        `dict`: `name`, and digests: `weights`, `config`, `tokenizer`.

    Raises:
        DamagedError: where the folder has digests, and its weights are not those that were written.
    """
    files = _weight_files(str(name_or_path))
    folder = Path(name_or_path)
    if folder.is_dir():
        advice = "Fetch or make it again; if it was saved anew on purpose, delete digests.json."
        refuse_damage(folder, advice, [path.name for path in files])
    return {
        "name": str(name_or_path),
        "weights": _short(digest_files(files)),
        "config": _config_digest(str(name_or_path)),
        "tokenizer": tokenizer_fingerprint,
    }


def describe_store(store: Any) -> dict[str, Any]:
    """What a store is made from, and where it lies."""
    return {"name": str(store.path), "identity": store.info["identity"]}


def origin_differences(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """What two origins disagree on, one line each; what only one of them tells is no difference.

    Args:
        before (`Mapping`, *optional*): what a run began with.
        now (`Mapping`, *optional*): what is asked for now.
    """
    lines = []
    for key in [key for key in before or {} if key in (now or {})]:
        then, given = before[key], now[key]  # type: ignore[index]
        if key == "store":
            for line in plan_differences({"identity": then["identity"]}, {"identity": given["identity"], "files": []}):
                lines.append(f"--store: {then['name']} then, {given['name']} now: {line}")
        elif key == "model":
            parts = [part for part in ("weights", "config", "tokenizer") if then.get(part) != given.get(part)]
            if parts:
                lines.append(f"--model: {then['name']} then, {given['name']} now, of other {' and '.join(parts)}")
        elif then != given:
            lines.append(f"{key}: {_shown(then)} then, {_shown(given)} now")
    return lines


def changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The settings that make a difference to what is trained, name to value before and now.

    Args:
        before (`Mapping`): arguments that a checkpoint was trained with, as JSON has them.
        now (`Mapping`): those of now.
    """
    return {
        name: [before[name], value]
        for name, value in now.items()
        if name in before and before[name] != value and not name.startswith(_FREE)
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _short(digests: list[str]) -> str:
    return digests[0] if len(digests) == 1 else "-".join(digest[:12] for digest in digests)


def _weight_files(name: str) -> list[Path]:
    """The files that `from_pretrained` takes weights from, in its order of preference."""
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (path := _file_of(name, single)) is not None:
            return [path]
        if (path := _file_of(name, index)) is not None:
            try:
                shards = sorted(set(parse_json(path.read_bytes())["weight_map"].values()))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise DamagedError(path, f"it is no list of the files with weights ({error})") from error
            found = [_file_of(name, str(shard)) for shard in shards]
            if None in found:
                raise DamagedError(path, f"{shards[found.index(None)]}, which it lists, is missing")
            return [one for one in found if one is not None]
    raise ValueError(
        f"{name} holds no weights (model.safetensors or pytorch_model.bin); give the folder or the Hub id of a "
        "masked-LM checkpoint"
    )


def _file_of(name: str, file: str) -> Path | None:
    from transformers.utils import cached_file

    found = cached_file(
        name,
        file,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if found is None else Path(found)


def _config_digest(name: str) -> str:
    import hashlib

    path = _file_of(name, "config.json")
    if path is None:
        return ""
    try:
        config = parse_json(path.read_bytes())
    except ValueError as error:
        raise DamagedError(path, str(error)) from error
    if not isinstance(config, dict):
        raise DamagedError(path, "it is no object of settings")
    kept = {key: value for key, value in config.items() if key not in _VOLATILE}
    return hashlib.blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=8).hexdigest()
