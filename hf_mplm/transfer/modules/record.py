"""What is written beside a module: what it was made from, so that it is put into nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import DamagedError, read_json, write_json


__all__ = ["RECORD_FILE", "ModuleRecord"]

RECORD_FILE = "module.json"
_FORMAT = "hf_mplm module 1"
_ADVICE = "Fetch or train the module again."


@dataclass(frozen=True)
class ModuleRecord:
    """What a module was made from.

    Args:
        kind (`str`): `"task"` or `"language"`.
        name (`str`): the task, or the language's code.
        backend (`str`): the library.
        size (`int`): reduction factor, or rank.
        base (`str`): digest of the base's weights.
        base_model (`str`): what the base was called.
        hidden_size (`int`): width of the base.
        labels (`list[str]`): names of the head's outputs; empty where they are not named.
        languages (`dict[str, int]`): language of the training data to the number of its examples or chunks.
        settings (`dict[str, Any]`): hyper-parameters.
        metrics (`dict[str, float]`): what it reached on the dev sets, or the loss of its last steps.
    """

    kind: str
    name: str
    backend: str
    size: int
    base: str
    base_model: str
    hidden_size: int
    labels: list[str] = field(default_factory=list)
    languages: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)

    def save(self, folder: str | Path) -> None:
        """Write it into the module's folder."""
        write_json(Path(folder) / RECORD_FILE, {"format": _FORMAT, **asdict(self)})

    @classmethod
    def load(cls, folder: str | Path) -> ModuleRecord:
        """Read what stands beside a module.

        Args:
            folder (`str` or `Path`): the module's folder.

        Returns:
            `ModuleRecord`: the record.

        Raises:
            FileNotFoundError: if there is no module.
            DamagedError: if the record cannot be read.
            ValueError: if another version wrote it.
        """
        path = Path(folder) / RECORD_FILE
        found = read_json(path, _ADVICE)
        if found is None:
            raise FileNotFoundError(
                f"{folder} holds no module ({RECORD_FILE} is missing); train one: hf-mplm transfer train-task --task "
                "TASK --model BASE --data_dir DATA --output MODULES, or hf-mplm transfer languages"
            )
        if not isinstance(found, dict):
            raise DamagedError(path, "it is no record of a module", _ADVICE)
        if found.get("format") != _FORMAT:
            raise ValueError(f"{path} has the format {found.get('format')!r:.80}; this version reads {_FORMAT!r}")
        kinds = {each.name: {"str": str, "int": int}.get(str(each.type)) for each in fields(cls)}
        values = {name: found.get(name) for name in kinds}
        for name, kind in kinds.items():
            if values[name] is None or (kind is not None and not isinstance(values[name], kind)):
                raise DamagedError(path, f"it does not say `{name}`", _ADVICE)
        return cls(**values)  # type: ignore[arg-type]

    def refuse_other(self, base: str, hidden_size: int, where: str | Path) -> None:
        """Refuse another base than the module was trained on.

        Args:
            base (`str`): digest of the base at hand.
            hidden_size (`int`): its width.
            where (`str` or `Path`): the module's folder, for the message.

        Raises:
            ValueError: if it is another.
        """
        if self.hidden_size != hidden_size:
            raise ValueError(
                f"the module in {where} was trained on a base of width {self.hidden_size} ({self.base_model}), and "
                f"this one has {hidden_size}; train a module for it, or give the module's base as --model"
            )
        if self.base != base:
            raise ValueError(
                f"the module in {where} was trained on another base: on {self.base_model} with the weights "
                f"{self.base[:12]}, and these are {base[:12]}; train a module for it, or give that base as --model"
            )
