"""The token store: what `hf-mplm prepare` writes and training reads."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm._lists import as_list
from hf_mplm.jobs.digests import DIGESTS_FILE, refuse_damage
from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.languages import parse_code

from ..tokenizing.tokenizers import tokenizer_fingerprint
from .selection import select_languages


if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "PAIR_FORMAT",
    "STORE_FORMAT",
    "TokenStore",
    "describe_files",
    "load_store",
    "open_splits",
    "read_store_info",
]

logger = logging.getLogger(__name__)

STORE_FORMAT = "hf_mplm token store 1"
PAIR_FORMAT = "hf_mplm pair store 1"
_FOR = {STORE_FORMAT: ("token store", "pretrain"), PAIR_FORMAT: ("pair store", "align-scripts")}
STORE_FILE = "store.json"
_PREPARE = "hf-mplm prepare --corpus DIR_OR_HUB_ID --tokenizer TOKENIZER --output"
_AGAIN = "Copy the store again, or prepare it again."
# What everybody relies on, of the kinds that they must be.
_SAYS: dict[str, type] = {
    **dict.fromkeys(("identity", "tokenizer", "languages", "totals", "report", "files"), dict),
    "chunk_length": int,
}
_VERIFY = "HF_MPLM_VERIFY_STORES"


@dataclass(frozen=True)
class TokenStore:
    """Chunks of tokens, each of one language-script, memory-mapped.

    The folder is what `datasets.DatasetDict.save_to_disk` writes, so that `datasets.load_from_disk` reads it too, with
    `store.json` and the tokenizer's files in `tokenizer/` beside.

    Args:
        path (`Path`): the folder.
        train (`Dataset`): columns `input_ids` (list of int32) and `language` (`ClassLabel` whose names are the codes).
        holdout (`Dataset`, *optional*): the same columns, of the sentences that `--holdout` set aside.
        info (`dict[str, Any]`): what `store.json` says: counts per language, what was dropped, how it was prepared.
    """

    path: Path
    train: Dataset
    holdout: Dataset | None
    info: dict[str, Any]

    @property
    def languages(self) -> list[str]:
        """The codes, in the order of their labels."""
        return list(self.train.features["language"].names)

    @property
    def tokenizer_path(self) -> Path:
        """The folder of the tokenizer's own files."""
        return self.path / "tokenizer"

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Make sure that `tokenizer` is the one whose ids the store holds.

        Raises:
            ValueError: if it is another.
        """
        own = self.info["tokenizer"]
        given = tokenizer_fingerprint(tokenizer)
        if given != own["fingerprint"]:
            raise ValueError(
                f"{self.path} holds the ids of another tokenizer: of {own['name']} ({own['vocab_size']} tokens, "
                f"fingerprint {own['fingerprint'][:12]}), not of {tokenizer.name_or_path} ({len(tokenizer)} tokens, "
                f"fingerprint {given[:12]}). Use the one in {self.tokenizer_path}, or prepare a store with yours: "
                f"{_PREPARE} NEW_STORE"
            )

    def select(self, languages: str | Sequence[str]) -> TokenStore:
        """The store with some of its languages only, without a copy: models of groups of languages share one store.

        Args:
            languages (`str` or `Sequence[str]`): codes, of the store's.

        Returns:
            `TokenStore`: its `languages` are these, in the store's order; a run that began with another selection is
            not gone on with.

        Raises:
            ValueError: if the store has no text of one of them.
        """
        wanted = {parse_code(code).code if code not in self.languages else code for code in as_list(languages)}
        if missing := sorted(wanted - set(self.languages)):
            raise ValueError(
                f"{self.path} has no text of {', '.join(missing)}; it has {len(self.languages)} languages: "
                f"{', '.join(self.languages[:20])}{' ...' if len(self.languages) > 20 else ''}"
            )
        codes = [code for code in self.languages if code in wanted]
        counts = {code: self.info["languages"][code] for code in codes}
        totals = {key: sum(count[key] for count in counts.values()) for key in self.info["totals"]}
        identity = {**self.info["identity"], "selected_languages": codes}
        return replace(
            self,
            train=select_languages(self.train, codes),
            holdout=None if self.holdout is None else select_languages(self.holdout, codes),
            info={**self.info, "languages": counts, "totals": totals, "identity": identity},
        )


def describe_files(path: Path) -> dict[str, Any]:
    """What `store.json` says of a store's other files: their sizes in bytes, and where their digests stand."""
    ours = (path / STORE_FILE, path / DIGESTS_FILE)
    files = (file for file in path.rglob("*") if file.is_file() and file not in ours)
    sizes = {file.relative_to(path).as_posix(): file.stat().st_size for file in sorted(files)}
    return {"files": sizes, "digests": DIGESTS_FILE}


def read_store_info(path: str | Path, store_format: str = STORE_FORMAT) -> dict[str, Any]:
    """Read `store.json`.

    Args:
        path (`str` or `Path`): the folder.
        store_format (`str`, *optional*): which kind of store it must be; one of chunks by default.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a store.
        DamagedError: if `store.json` cannot be read, or lacks what it must say.
    """
    path = Path(path)
    if not path.is_dir():
        partial = path.with_name(path.name + ".preparing")
        hint = (
            f"{partial.name} beside it is unfinished: repeat the command that began it"
            if partial.exists()
            else (f"make one: {_PREPARE} {path}")
        )
        raise FileNotFoundError(f"there is no token store at {path}; {hint}")
    info = read_json(path / STORE_FILE, _AGAIN)
    if info is None:
        raise ValueError(f"{path} is not a token store: it has no {STORE_FILE}. Make one: {_PREPARE} STORE")
    given = info.get("format") if isinstance(info, dict) else None
    if isinstance(given, str) and given != store_format and given in _FOR:
        name, verb = _FOR[given]
        needed, flag = ("pair store", "--romanize ") if store_format == PAIR_FORMAT else ("token store", "")
        raise ValueError(
            f"{path} is a {name}, which is for `hf-mplm {verb} --store {path}`; needed here is a {needed}. Make one: "
            f"{_PREPARE.replace('prepare ', f'prepare {flag}')} NEW_STORE"
        )
    if given is None or given != store_format:
        raise ValueError(
            f"{path} is not a token store that this version reads: {STORE_FILE} says format "
            f"{given!r:.80}, needed is {store_format!r}"
        )
    for key, kind in _SAYS.items():
        if not isinstance(info.get(key), kind):
            raise DamagedError(path / STORE_FILE, f"it does not say `{key}`", _AGAIN)
    return info


def open_splits(path: Path, info: dict[str, Any], verify: bool) -> DatasetDict:
    """Make sure that a store is whole, and open its splits.

    Args:
        path (`Path`): the folder.
        info (`dict[str, Any]`): what `store.json` says.
        verify (`bool`): whether to hold all bytes against their digests.

    Raises:
        ValueError: if a file is missing or cut short.
        DamagedError: if a file is not as it was written.
    """
    from datasets import load_from_disk

    _check_sizes(path, info)
    _check_digests(path, info, verify)
    try:
        splits = load_from_disk(str(path))
        columns = {split: splits[split].features["language"].names for split in splits}
    except Exception as error:  # whatever `datasets` and Arrow make of damage in a store without digests
        reason = str(error).split("\n")[0]
        raise DamagedError(path, f"datasets cannot open it ({type(error).__name__}: {reason})", _AGAIN) from error
    if "train" not in columns:
        raise DamagedError(path, "it has no split `train`", _AGAIN)
    return splits


def _check_sizes(path: Path, info: dict[str, Any]) -> None:
    for name, size in info["files"].items():
        file = path / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise ValueError(f"{file} {state}: the store is not whole. Copy it again, or prepare it again")


def _check_digests(path: Path, info: dict[str, Any], verify: bool) -> None:
    if not (path / DIGESTS_FILE).is_file():
        if "digests" in info:
            raise DamagedError(path / DIGESTS_FILE, "it is missing", _AGAIN)
        logger.warning("%s was prepared before digests were written: damage in it would not be noticed", path)
        return
    small = {STORE_FILE, *(name for name in info["files"] if not name.endswith(".arrow"))}
    wanted = verify and os.environ.get(_VERIFY, "1") != "0"
    # The processes of one machine read the same disk: the first of them speaks for all.
    everything = wanted and os.environ.get("LOCAL_RANK", "0") == "0"
    if everything:
        logger.info("Holding %s against its digests (%s=0 leaves that out) ...", path, _VERIFY)
    refuse_damage(path, _AGAIN, None if everything else small)


def load_store(path: str | Path, *, verify: bool = True) -> TokenStore:
    """Open a token store, memory-mapped.

    Args:
        path (`str` or `Path`): the folder that `hf-mplm prepare` wrote.
        verify (`bool`, *optional*, defaults to `True`): read all of it, in parallel, to hold it against its digests,
            at the speed of the disk; under a launcher one process of each machine does. Without, or with
            `HF_MPLM_VERIFY_STORES=0` in the environment, the sizes of all files and the bytes of the small ones are
            looked at.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a store, or a file of it is missing or cut short.
        DamagedError: if a file is not as it was written.

    Example:

    ```python
    store = load_store("store")
    store.train[0]["input_ids"], store.languages[store.train[0]["language"]]
    ```
    """
    path = Path(path)
    info = read_store_info(path)
    splits = open_splits(path, info, verify)
    return TokenStore(path, splits["train"], splits.get("holdout"), info)
