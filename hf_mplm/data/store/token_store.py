"""The token store: what `hf-mplm prepare` writes and training reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tokenizing.tokenizers import tokenizer_fingerprint


if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "PAIR_FORMAT",
    "STORE_FORMAT",
    "TokenStore",
    "check_store_files",
    "list_store_files",
    "load_store",
    "read_store_info",
]

STORE_FORMAT = "hf_mplm token store 1"
PAIR_FORMAT = "hf_mplm pair store 1"
_FOR = {STORE_FORMAT: ("token store", "pretrain"), PAIR_FORMAT: ("pair store", "align-scripts")}
STORE_FILE = "store.json"
_PREPARE = "hf-mplm prepare --corpus DIR_OR_HUB_ID --tokenizer TOKENIZER --output"


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


def list_store_files(path: Path) -> dict[str, int]:
    """The sizes in bytes of all files of a store but `store.json`, by their path within it."""
    files = (file for file in path.rglob("*") if file.is_file() and file != path / STORE_FILE)
    return {file.relative_to(path).as_posix(): file.stat().st_size for file in sorted(files)}


def read_store_info(path: str | Path, store_format: str = STORE_FORMAT) -> dict[str, Any]:
    """Read `store.json`.

    Args:
        path (`str` or `Path`): the folder.
        store_format (`str`, *optional*): which kind of store it must be; one of chunks by default.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a store.
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
    try:
        info = json.loads((path / STORE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} is not a token store: it has no {STORE_FILE}. Make one: {_PREPARE} STORE") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path / STORE_FILE} is cut short or damaged ({error}); copy or prepare it again") from error
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
    return info


def check_store_files(path: Path, info: dict[str, Any]) -> None:
    """Make sure that every file that `store.json` lists is there, whole.

    Raises:
        ValueError: if one is missing or cut short.
    """
    for name, size in info["files"].items():
        file = path / name
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            state = "is missing" if found is None else f"has {found} bytes instead of {size}"
            raise ValueError(f"{file} {state}: the store is not whole. Copy it again, or prepare it again")


def load_store(path: str | Path) -> TokenStore:
    """Open a token store, memory-mapped.

    Args:
        path (`str` or `Path`): the folder that `hf-mplm prepare` wrote.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a store, or a file of it is missing or cut short.

    Example:

    ```python
    store = load_store("store")
    store.train[0]["input_ids"], store.languages[store.train[0]["language"]]
    ```
    """
    from datasets import load_from_disk

    path = Path(path)
    info = read_store_info(path)
    check_store_files(path, info)
    splits = load_from_disk(str(path))
    return TokenStore(path, splits["train"], splits.get("holdout"), info)
