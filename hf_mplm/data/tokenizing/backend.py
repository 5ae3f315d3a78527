"""What a tokenizer of the `tokenizers` library says of itself, changed and written back for both stacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from .sentencepiece_model import MASK_TOKEN, MODEL_FILE, SPECIAL_TOKENS
from .tokenizers import load_tokenizer


__all__ = ["backend_state", "has_xlm_roberta_layout", "merges_of", "vocabulary_of", "write_backend"]

_KINDS = ("Unigram", "WordPiece", "BPE")
# Of the old vocabulary; tokenizer.json says all that they do.
_VOCABULARY_FILES = (MODEL_FILE, "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model")


def backend_state(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """The content of `tokenizer.json`, a copy.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): a Unigram, WordPiece or BPE tokenizer.

    Raises:
        ValueError: if it is of another kind.
    """
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {"model": {}}
    kind = state["model"].get("type")
    if kind not in _KINDS:
        raise ValueError(
            f"{tokenizer.name_or_path!r} is a {kind or 'slow'} tokenizer ({type(tokenizer).__name__}); needed is a "
            "Unigram (XLM-R), WordPiece (mBERT) or BPE (ModernBERT, mmBERT) tokenizer of the `tokenizers` library"
        )
    return state


def vocabulary_of(model: dict[str, Any]) -> dict[str, int]:
    """Token to id.

    Args:
        model (`dict`): the `model` of a state.
    """
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    return {entry[0]: index for index, entry in enumerate(vocabulary)}


def merges_of(model: dict[str, Any]) -> list[tuple[str, str]]:
    """The merges of a BPE, the first one first.

    Args:
        model (`dict`): the `model` of a state.
    """
    # tokenizers 0.19 and earlier wrote a merge as one string.
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    return [(left, right) for left, right in pairs]


def has_xlm_roberta_layout(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether it is an `XLMRobertaTokenizer`, which has a SentencePiece model beside its `tokenizer.json`.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): any fast tokenizer.
    """
    entries = backend_state(tokenizer)["model"]["vocab"]
    if not isinstance(entries, list) or not type(tokenizer).__name__.startswith("XLMRobertaTokenizer"):
        return False
    return tuple(entry[0] for entry in entries[:4]) == SPECIAL_TOKENS and entries[-1][0] == MASK_TOKEN


def write_backend(
    tokenizer: PreTrainedTokenizerBase,
    state: dict[str, Any],
    expected: dict[str, int],
    output: str | Path,
    *,
    new_id: Callable[[int], int] = int,
) -> PreTrainedTokenizerBase:
    """Write a tokenizer whose state was changed, and load it again.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): the one from which the state was taken.
        state (`dict`): the changed content of `tokenizer.json`.
        expected (`dict[str, int]`): what `get_vocab()` must give.
        output (`str` or `Path`): the folder.
        new_id (`Callable`, *optional*): old id of an added token to its new one.

    Returns:
        `PreTrainedTokenizerBase`: the new tokenizer.

    Raises:
        ValueError: if it comes back with other ids, which is the case of classes that build a vocabulary of their own.
    """
    folder = Path(output)
    vocabulary = state["model"]["vocab"]
    if isinstance(vocabulary, dict):
        # `tokenizers` numbers an added token that the model lacks behind the model's last, whatever the file says.
        vocabulary.update({token["content"]: token["id"] for token in state["added_tokens"]})
    tokenizer.save_pretrained(str(folder))
    for name in _VOCABULARY_FILES:
        (folder / name).unlink(missing_ok=True)
    _rewrite(folder / "tokenizer.json", {**state, "padding": None, "truncation": None})
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    if added := settings.get("added_tokens_decoder"):  # transformers 4.57 writes it
        settings["added_tokens_decoder"] = {str(new_id(int(index))): token for index, token in added.items()}
        _rewrite(path, settings)
    if state["model"]["type"] == "WordPiece":
        tokens = sorted(expected, key=expected.__getitem__)
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    written = load_tokenizer(folder)
    if (found := written.get_vocab()) != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))[:3]
        raise ValueError(
            f"{type(tokenizer).__name__} of {tokenizer.name_or_path!r} was written with {len(expected)} tokens and "
            f"came back with {len(found)} (first differences: {wrong}): it builds its vocabulary otherwise than from "
            "tokenizer.json. Save it as a PreTrainedTokenizerFast first"
        )
    return written


def _rewrite(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
