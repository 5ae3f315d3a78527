from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.tokenizing import word_table
from hf_mplm.data.tokenizing.encoding import encode_sentences, save_encoder
from hf_mplm.data.tokenizing.word_table import WordTable, encode_whole, splits_at_spaces
from tests.fixtures import corpus_lines


# Characters that cling to spaces, become spaces, or become nothing: combining marks, Thai sara am, halfwidth voiced
# marks, emoji modifiers, Arabic number signs, acute accents, ligatures of whole phrases, format characters, ...
NASTY = (
    "\u0301\u0e33\u0eb3\uff9e\U0001f3fb\u0600\u06dd\u0d4e\u00b4\ufdfa"
    "\u200b\u200c\u200d\ufeff\u2581\ufffd\xa0\u3000\u2028\x85\t\x07"
)
PLAIN = "aébкяع中กข한\u1100\u11611,.<ﬁ"


@pytest.fixture
def backend(tiny_tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    backend = Tokenizer.from_str(tiny_tokenizer.backend_tokenizer.to_str())
    backend.encode_special_tokens = True
    return backend


def differing(backend: Tokenizer, texts: Sequence[str], batch: int = 97) -> list[str]:
    """The texts that the table reads otherwise than the tokenizer does."""
    table, different = WordTable(backend), []
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        (ids, n), (own_ids, own_n) = table.encode(part), encode_whole(backend, part)
        pieces, own = np.split(ids, np.cumsum(n)[:-1]), np.split(own_ids, np.cumsum(own_n)[:-1])
        different += [text for text, a, b in zip(part, pieces, own) if not np.array_equal(a, b)]
    return different


def nasty_texts(n: int) -> list[str]:
    draw = random.Random(0)
    letters = PLAIN * 4 + NASTY + " " * 40
    texts = ["".join(draw.choices(letters, k=draw.randint(1, 25))) for _ in range(n)]
    return texts + [f"a {first}{second} b" for first in NASTY + PLAIN for second in NASTY + PLAIN]


@pytest.mark.parametrize("keeps_spaces", [False, True])
def test_equals_the_tokenizer_on_real_and_on_nasty_text(backend: Tokenizer, keeps_spaces: bool) -> None:
    if keeps_spaces:
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
    assert splits_at_spaces(backend)
    real = [line for _, line in corpus_lines()]
    assert differing(backend, [*real, *real, *nasty_texts(4000), "", " ", "<s> </s> <mask>", "a  b", " a "]) == []


def test_would_differ_without_looking_at_what_words_become(
    backend: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A tokenizer that keeps each space as a token, where words that become spaces cannot go unnoticed.
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    with monkeypatch.context() as patch:
        patch.setattr(word_table, "_clings_to_a_space", lambda word: False)
        assert differing(backend, nasty_texts(1000))
    with monkeypatch.context() as patch:
        patch.setattr(word_table.WordTable, "_is_not_one_word", lambda self, word: False)
        assert differing(backend, nasty_texts(1000))


def test_forgets_when_full_and_stays_equal(backend: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_table, "_MOST_WORDS", 50)
    monkeypatch.setattr(word_table, "_GROUP", 3)
    assert differing(backend, [line for _, line in corpus_lines()], batch=5) == []


def test_wordpiece(tmp_path: object) -> None:
    vocab = {piece: i for i, piece in enumerate(["[UNK]", "a", "##a", "b", "##b", "ab", ",", "é", "中", "e"])}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    assert splits_at_spaces(backend)
    texts = ["ab aab,b A", "é中 ab", "a\u0301 b", "x ab\u200d b", "ab" * 60 + " a", "\x07 a", *nasty_texts(500)]
    assert differing(backend, texts) == []


def test_tokenizers_that_see_across_spaces_are_left_alone(backend: Tokenizer) -> None:
    other = Tokenizer(models.BPE())
    other.pre_tokenizer = pre_tokenizers.ByteLevel()
    assert not splits_at_spaces(other)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    assert not splits_at_spaces(backend)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    assert not splits_at_spaces(backend)
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    assert splits_at_spaces(backend)
    backend.add_tokens(["two words"])
    assert not splits_at_spaces(backend)


def test_sentences_stand_in_the_tokens_that_the_tokenizer_puts_around_them(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # What a tokenizer.json may carry from its last use must not cut anything.
    tiny_tokenizer.backend_tokenizer.enable_truncation(max_length=4)
    tiny_tokenizer.backend_tokenizer.enable_padding(length=50)
    spec = save_encoder(tiny_tokenizer, tmp_path_factory.mktemp("encoder"))
    tiny_tokenizer.backend_tokenizer.no_truncation()
    tiny_tokenizer.backend_tokenizer.no_padding()
    texts = [line for _, line in corpus_lines()] + ["\u200b"]
    tokens, lengths, stray = encode_sentences(spec, texts)
    expected = [tiny_tokenizer(text)["input_ids"] for text in texts[:-1]]
    assert [piece.tolist() for piece in np.split(tokens, np.cumsum(lengths)[:-1])] == [*expected, []]
    assert lengths[-1] == 0 and not stray.any() and tokens.dtype == np.int32


def test_special_tokens_that_a_text_spells_are_text(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = "a </s> b <mask> c <pad>"
    special = set(tiny_tokenizer.all_special_ids) - {tiny_tokenizer.unk_token_id}
    assert special & set(tiny_tokenizer(text, add_special_tokens=False)["input_ids"])
    spec = save_encoder(tiny_tokenizer, tmp_path_factory.mktemp("encoder"))
    tokens, _, _ = encode_sentences(spec, [text, "plain"])
    first = tokens.tolist().index(tiny_tokenizer.eos_token_id)
    assert not special & set(tokens[1:first].tolist()) and first > 10
