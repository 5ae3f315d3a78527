"""What `datasets` writes beside the Arrow files of a dataset on disk, so that it opens a store as its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm.jobs.files import write_json


if TYPE_CHECKING:
    from datasets import Features

__all__ = ["write_dataset_files"]


def write_dataset_files(
    folder: Path, splits: Mapping[str, Sequence[str]], features: Features, fingerprints: Mapping[str, str]
) -> None:
    """Finish a folder as `datasets.DatasetDict.save_to_disk` lays it out.

    Args:
        folder (`Path`): holds a folder a split, with its Arrow files.
        splits (`Mapping[str, Sequence[str]]`): split to the names of its files, in their order.
        features (`Features`): the columns.
        fingerprints (`Mapping[str, str]`): split to a digest of all that its content depends on; `datasets` finds its
            caches by it.
    """
    from datasets import DatasetInfo

    for split, names in splits.items():
        DatasetInfo(features=features).write_to_directory(str(folder / split))
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": fingerprints[split],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        write_json(folder / split / "state.json", state)
    write_json(folder / "dataset_dict.json", {"splits": list(splits)})
