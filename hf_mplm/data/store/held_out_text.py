"""How much held-out text a store has, for bits a character, which compare between vocabularies."""

from __future__ import annotations

from typing import NamedTuple

from ..tokenizing.tokenizers import load_tokenizer
from .token_store import TokenStore


__all__ = ["HeldOutText", "held_out_text"]


class HeldOutText(NamedTuple):
    """One language's held-out text.

    Attributes:
        rows (`int`): chunks.
        tokens (`int`): special ones aside, unknown ones included.
        characters (`int`): white space aside. An unknown token counts as one, though it may stand for many: where a
            vocabulary knows little of a text, `hf-mplm prepare` warns, and numbers a character compare with nothing.
    """

    rows: int
    tokens: int
    characters: int


def held_out_text(store: TokenStore) -> dict[str, HeldOutText]:
    """Count the held-out text of each language, as the store's tokenizer gives it back.

    Args:
        store ([`~hf_mplm.TokenStore`]): a store.

    Returns:
        `dict[str, HeldOutText]`: by code, of the languages that have held-out text.
    """
    tokenizer = load_tokenizer(store.tokenizer_path)
    unknown = tokenizer.unk_token_id
    special = set(tokenizer.all_special_ids) - {unknown}
    found: dict[str, HeldOutText] = {}
    for row in store.holdout or ():
        code = store.languages[row["language"]]
        rows, tokens, characters = found.get(code, (0, 0, 0))
        ids = [index for index in row["input_ids"] if index not in special]
        text = str(tokenizer.decode([index for index in ids if index != unknown]))
        characters += sum(map(len, text.split())) + ids.count(unknown)
        found[code] = HeldOutText(rows + 1, tokens + len(ids), characters)
    return found
