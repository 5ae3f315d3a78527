from __future__ import annotations

import logging

import numpy as np
import pytest

from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.trainers.static_alignment.words import EncodedWords

from .helpers import make_words


def test_words_are_tokens_between_special_tokens_with_vectors_of_length_one(tiny_tokenizer):
    words = make_words()
    encoded = EncodedWords(words, tiny_tokenizer, seed=3)
    drawn = encoded.draws(0, len(words))
    wanted = {}
    for place, word in enumerate(words.words):
        unit = words.vectors[place] / np.linalg.norm(words.vectors[place])
        wanted.setdefault(tuple(tiny_tokenizer(word)["input_ids"]), []).append(unit)
    for tokens, pooled, target in zip(*drawn):
        assert any(np.allclose(target, one, atol=1e-6) for one in wanted[tuple(tokens)])
        assert pooled.tolist() == [False, *[True] * (len(tokens) - 2), False]
    with_special = EncodedWords(words, tiny_tokenizer, seed=3, pool_special_tokens=True).draws(0, 5)
    assert all(pooled.all() for pooled in with_special.pooled)


def test_draws_are_a_function_of_seed_and_draw(tiny_tokenizer):
    words = make_words()
    encoded = EncodedWords(words, tiny_tokenizer, seed=3)
    whole = encoded.draws(0, 300)
    parts = [EncodedWords(words, tiny_tokenizer, seed=3).draws(start, start + 50) for start in range(0, 300, 50)]
    assert np.array_equal(whole.targets, np.concatenate([part.targets for part in parts]))
    other = EncodedWords(words, tiny_tokenizer, seed=4).draws(0, 300)
    assert not np.array_equal(whole.targets, other.targets)
    # A pass over a language has each of its words once; languages come by their numbers of words.
    once = encoded.draws(0, len(words)).targets
    assert len(np.unique(once.round(6), axis=0)) > 0.95 * len(words)


def test_long_words_keep_their_beginning_and_their_last_special_token(tiny_tokenizer):
    words = WordVectors(["xyz" * 40, "ab"], ["deu_Latn"], np.zeros(2, dtype=np.int64), np.eye(2, dtype=np.float32))
    encoded = EncodedWords(words, tiny_tokenizer, seed=0)
    assert encoded.n_cut == 1
    tokens = max(encoded.draws(0, 2).tokens, key=len).tolist()
    whole = tiny_tokenizer("xyz" * 40)["input_ids"]
    assert len(whole) > 20 and tokens == [*whole[:19], tiny_tokenizer.eos_token_id]


def test_words_without_tokens_or_vectors_are_left_out_and_counted(tiny_tokenizer, caplog):
    vectors = np.array([[1, 0], [0, 0], [0, 2]], dtype=np.float32)
    words = WordVectors(["one", "zero", " "], ["eng_Latn"], np.zeros(3, dtype=np.int64), vectors)
    with caplog.at_level(logging.WARNING, logger="hf_mplm"):
        encoded = EncodedWords(words, tiny_tokenizer, seed=0)
    assert (len(encoded), encoded.n_empty, encoded.n_zero) == (1, 1, 1)
    assert "1 without a token, 1 with a vector of zeros" in caplog.text
    assert encoded.draws(0, 4).targets.tolist() == [[1, 0]] * 4
    nothing = WordVectors(["zero"], ["eng_Latn"], np.zeros(1, dtype=np.int64), np.zeros((1, 2), dtype=np.float32))
    with pytest.raises(ValueError, match="none of 1 words is left"):
        EncodedWords(nothing, tiny_tokenizer, seed=0)


def test_vectors_are_reduced_to_their_principal_axes(tiny_tokenizer):
    words = make_words(12)
    plain = EncodedWords(words, tiny_tokenizer, seed=3).draws(0, len(words)).targets
    reduced = EncodedWords(words, tiny_tokenizer, seed=3, components=4)
    assert reduced.dimension == 4
    unit = words.vectors / np.linalg.norm(words.vectors, axis=1, keepdims=True)
    axes = np.linalg.svd(unit - unit.mean(0))[2][:4]
    wanted = (plain - unit.mean(0)) @ axes.T
    found = reduced.draws(0, len(words)).targets
    assert np.allclose(np.abs(found), np.abs(wanted), atol=1e-5)
    # There is nothing to reduce where there are fewer dimensions: they stay as they are.
    assert np.array_equal(EncodedWords(words, tiny_tokenizer, seed=3, components=50).draws(0, 9).targets, plain[:9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0, 2])}, "go from 0 to 2"),
        ({"labels": np.array([0])}, "one of each for every word"),
        (
            {"vectors": np.array([[1, np.nan], [0, 1]], dtype=np.float32)},
            r"'a' \(deu_Latn\) holds what is no",
        ),
        ({"words": [], "labels": np.zeros(0, dtype=int), "vectors": np.zeros((0, 2))}, "there are no word vectors"),
    ],
)
def test_what_is_no_table_of_words_is_refused(change, message):
    given = {
        "words": ["a", "b"],
        "languages": ["deu_Latn", "eng_Latn"],
        "labels": np.array([0, 1]),
        "vectors": np.eye(2, dtype=np.float32),
    }
    WordVectors(**given)
    with pytest.raises(ValueError, match=message):
        WordVectors(**{**given, **change})


def test_languages_of_unequal_dimension_are_refused():
    with pytest.raises(ValueError, match="unequal dimension: deu_Latn 3, eng_Latn 2"):
        WordVectors.from_languages({"eng_Latn": (["a"], np.ones((1, 2))), "deu_Latn": (["b"], np.ones((1, 3)))})


def test_static_embeddings_give_their_words():
    from hf_mplm.static import StaticEmbeddings
    from hf_mplm.static.word_table import WordTable

    vectors = np.arange(6, dtype=np.float32).reshape(3, 2) + 1
    tables = [
        WordTable("eng_Latn", ["a"], np.ones(1, dtype=np.int64), vectors[2:]),
        WordTable("deu_Latn", ["b", "c"], np.ones(2, dtype=np.int64), vectors[:2]),
    ]
    words = StaticEmbeddings(tables, {"encoder": "some/encoder"}).word_vectors()
    assert (words.words, words.languages, words.encoder) == (["b", "c", "a"], ["deu_Latn", "eng_Latn"], "some/encoder")
    assert words.labels.tolist() == [0, 0, 1] and np.array_equal(words.vectors, vectors)
