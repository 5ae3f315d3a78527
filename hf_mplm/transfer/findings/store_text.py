"""What the text of a token store says of languages under the base's tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from transformers import PreTrainedTokenizerBase

from hf_mplm.data.store.token_store import TokenStore


__all__ = ["StoreText"]


class StoreText:
    """Tokens and words of a sample of each language's text; see [`TokenizedText`].

    Args:
        store (`TokenStore`): the text; a language that it lacks has no tokens.
        tokenizer (`PreTrainedTokenizerBase`): whose ids it holds.
        max_chunks (`int`, *optional*, defaults to 200): chunks of a language that are counted, spread over its text.
    """

    def __init__(self, store: TokenStore, tokenizer: PreTrainedTokenizerBase, *, max_chunks: int = 200) -> None:
        store.check_tokenizer(tokenizer)
        self._store, self._tokenizer, self._max_chunks = store, tokenizer, max_chunks
        self._counted: dict[str, tuple[Counter[str], int]] = {}

    def tokens(self, language: str) -> Mapping[str, int]:
        """Token -> how often the sample has it, special ones left out.

        Args:
            language (`str`): a code.
        """
        return self._count(language)[0]

    def words(self, language: str) -> int:
        """Words of the sample, as blanks part them; one a sentence where a script has none.

        Args:
            language (`str`): a code.
        """
        return self._count(language)[1]

    def _count(self, language: str) -> tuple[Counter[str], int]:
        if language not in self._counted:
            tokens: Counter[str] = Counter()
            words = 0
            if language in self._store.languages:
                rows = self._store.select(language).train
                every = max(1, len(rows) // self._max_chunks)
                special = set(self._tokenizer.all_special_ids)
                for row in rows.select(range(0, len(rows), every)):
                    ids = [index for index in row["input_ids"] if index not in special]
                    tokens.update(self._tokenizer.convert_ids_to_tokens(ids))
                    words += len(str(self._tokenizer.decode(ids)).split())
            self._counted[language] = tokens, words
        return self._counted[language]
