"""A collection: one model a sprachbund, the vectors by which a text finds its own, and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hf_mplm.jobs.files import DamagedError, read_json, write_json

from ..clusters.sprachbunds import SPRACHBUNDS_FILE, Sprachbunds
from .files import BASE_FOLDER, VECTORS_FOLDER, finished_digest, published_names
from .members import Member


__all__ = ["Collection", "collection_files"]

_AGAIN = "Repeat the command that made the collection, or fetch it again."


@dataclass
class Collection:
    """What stands in `sprachbunds.json` of a collection.

    Args:
        sprachbunds (`Sprachbunds`): the clusters.
        members (`list[Member]`): the model of each, in the same order.
        base (`dict[str, Any]`): what all of them started from: `source` (`hub`, or `folder`, of which `name` is the
            name alone and not the way to it), `name`, `revision` (commit or fingerprint), `tokenizer`.
        training (`dict[str, Any]`): `budget`, `method`, `store` (by content), `delta` (the rank of low-rank weights),
            and those of the trainer's `settings` that make a difference to what is trained and are not the defaults.
    """

    sprachbunds: Sprachbunds
    members: list[Member]
    base: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def member_of(self) -> dict[str, Member]:
        """Language to the model of its cluster."""
        return {code: member for member in self.members for code in member.languages}

    def identity(self) -> dict[str, Any]:
        """What a collection that is gone on with must have in common with the one that was begun, but for settings."""
        return {
            "arm": self.sprachbunds.arm,
            "clusters": self.sprachbunds.clusters,
            "steps": [member.steps for member in self.members],
            "base": self.base.get("revision"),
            **{name: value for name, value in self.training.items() if name != "settings"},
        }

    def save(self, folder: str | Path) -> None:
        """Write `sprachbunds.json`, whole or not at all.

        Args:
            folder (`str` or `Path`): the collection's folder.
        """
        content = self.sprachbunds.content()
        for entry, member in zip(content["clusters"], self.members, strict=True):
            entry.update({key: value for key, value in asdict(member).items() if key not in entry})
        write_json(Path(folder) / SPRACHBUNDS_FILE, {**content, "base": self.base, "training": self.training})

    @classmethod
    def load(cls, folder: str | Path) -> Collection:
        """Read what [`save`] wrote.

        Raises:
            FileNotFoundError: if there is no `sprachbunds.json`.
            ValueError: if it holds clusters without models.
            DamagedError: if it cannot be read.
        """
        folder = Path(folder)
        sprachbunds = Sprachbunds.load(folder)
        content: Mapping[str, Any] = read_json(folder / SPRACHBUNDS_FILE)
        if "base" not in content:
            raise ValueError(
                f"{folder} holds clusters and no models; train them: "
                f"hf-mplm sprachbund train --clusters {folder} --store STORE --model MODEL --output OUT"
            )
        try:
            members = [
                Member(**{key: entry[key] for key in Member.__dataclass_fields__}) for entry in content["clusters"]
            ]
            outside = [member.folder for member in members if Path(member.folder).name != member.folder]
            if outside:
                raise ValueError(f"{outside[0]!r} is no name of a folder")
            return cls(sprachbunds, members, dict(content["base"]), dict(content["training"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(folder / SPRACHBUNDS_FILE, f"it is no collection ({error})", _AGAIN) from error

    def unfinished(self, folder: str | Path) -> list[Member]:
        """The members whose models are not there as they were finished."""
        return [
            member
            for member in self.members
            if member.digest is None or finished_digest(Path(folder) / member.folder) != member.digest
        ]


def collection_files(folder: str | Path) -> list[str]:
    """The files that make a collection, which are safe to publish: no path of this machine, no code, no state.

    Args:
        folder (`str` or `Path`): what `hf-mplm sprachbund train` wrote.

    Returns:
        `list[str]`: paths within the folder, sorted.

    Raises:
        FileNotFoundError: if there is no collection.
        ValueError: if one of its models is not there as it was finished.
    """
    place = Path(folder)
    collection = Collection.load(place)
    if waiting := [member.folder for member in collection.unfinished(place)]:
        raise ValueError(
            f"{place}: {', '.join(waiting)} is not trained, or not whole; repeat the command that trains it"
        )
    folders = [member.folder for member in collection.members]
    folders += [name for name in (VECTORS_FOLDER, BASE_FOLDER) if (place / name).is_dir()]
    inside = [f"{name}/{file}" for name in folders for file in published_names(place / name)]
    return sorted([*published_names(place, loaded=False), *inside])
