"""Telling one model from another by what it is, and not by where it stands."""

from __future__ import annotations

from pathlib import Path

import xxhash

from hf_mplm.jobs.digests import DIGESTS_FILE, digest_files
from hf_mplm.modeling.reading import hub_commit


__all__ = ["model_digest"]

# What loading a model or its tokenizer may read.
_SUFFIXES = (".safetensors", ".bin", ".json", ".model", ".txt", ".py", ".jinja")
# What tells of a model's training and scores, and is written after it, too.
_NOT_READ = (
    *(DIGESTS_FILE, "trainer_state.json", "training_args.json", "all_results.json", "train_results.json"),
    *("scores.json", "hf_mplm.json", "run.json"),
)


def model_digest(model: str | Path) -> str:
    """A digest of the content of a model and its tokenizer: of the files of a folder, or the commit of a repository.

    Args:
        model (`str` or `Path`): a folder, or the id of a repository on the Hub.

    Raises:
        OSError: if there is no such model.
    """
    folder = Path(model)
    if not folder.is_dir():
        # The content of a commit does not change.
        return f"{model}@{hub_commit(str(model))}"
    files = sorted(
        path for path in folder.iterdir() if path.is_file() and path.suffix in _SUFFIXES and path.name not in _NOT_READ
    )
    entries = (f"{path.name}:{digest}" for path, digest in zip(files, digest_files(files)))
    return xxhash.xxh3_128_hexdigest("\n".join(entries).encode())
