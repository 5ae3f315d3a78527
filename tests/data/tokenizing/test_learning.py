from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.backend import backend_state, merges_of, write_backend
from hf_mplm.data.tokenizing.learning import learn_tokens
from hf_mplm.data.tokenizing.similarity import similar_tokens
from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, train_tokenizer
from tests.data.tokenizing.kinds import byte_fallback_bpe, byte_level_bpe, word_piece
from tests.fixtures import corpus_lines


OLD = [line for _, line in corpus_lines("eng_Latn", "deu_Latn")]
NEW = [line for _, line in corpus_lines("kat_Geor")]


def _make(kind: str, folder: Path) -> PreTrainedTokenizerBase:
    if kind == "word_piece":
        return word_piece(OLD, folder)
    return byte_level_bpe(OLD) if kind == "byte_level" else byte_fallback_bpe(OLD)


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "word_piece"])
def test_new_tokens_are_used_and_old_text_is_cut_as_before(kind: str, tmp_path: Path) -> None:
    old = _make(kind, tmp_path / "old")
    new = learn_tokens(old, NEW, tmp_path / "new", num_new=120)
    before, after = old.get_vocab(), new.get_vocab()
    assert {token: after[token] for token in before} == before
    assert sorted(set(after.values()) - set(before.values())) == list(range(len(old), len(new)))
    fresh = set(range(len(old), len(new)))
    cut = new(NEW)["input_ids"]
    used = {index for row in cut for index in row} & fresh
    assert len(used) > 0.5 * len(fresh)
    unknown = [sum(row.count(old.unk_token_id) for row in ids) for ids in (old(NEW)["input_ids"], cut)]
    shorter = sum(map(len, cut)) < sum(map(len, old(NEW)["input_ids"]))
    assert shorter if unknown[0] == 0 else unknown[1] < unknown[0]
    # Text in which no new token applies keeps its ids.
    same = [(a, b) for a, b in zip(old(OLD)["input_ids"], new(OLD)["input_ids"]) if not set(b) & fresh]
    assert same and all(a == b for a, b in same)


def _decoded(tokenizer: PreTrainedTokenizerBase, lines: list[str]) -> list[str]:
    ids = tokenizer(lines, add_special_tokens=False)["input_ids"]
    return [tokenizer.decode(row, clean_up_tokenization_spaces=False) for row in ids]


@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "word_piece", "unigram"])
def test_text_comes_back_as_exactly_as_before(kind: str, tmp_path: Path) -> None:
    third = [line for _, line in corpus_lines("hin_Deva", "tha_Thai")]
    if kind == "unigram":
        old = train_tokenizer(OLD, tmp_path / "old", vocab_size=220, num_threads=1, seed_sentencepiece_size=5000)
        learned = train_tokenizer(
            NEW, tmp_path / "learned", vocab_size=90, num_threads=1, seed_sentencepiece_size=5000
        )
        new = extend_tokenizer(old, learned, tmp_path / "new")
    else:
        old = _make(kind, tmp_path / "old")
        new = learn_tokens(old, NEW, tmp_path / "new", num_new=120)
    assert third
    assert _decoded(new, OLD) == _decoded(old, OLD)
    assert _decoded(new, third) == _decoded(old, third)
    if kind.startswith("byte"):  # which lose nothing
        assert _decoded(old, [*OLD, *NEW, *third]) == [*OLD, *NEW, *third]
        assert _decoded(new, NEW) == NEW
    else:  # characters that are known now are there, all others as before
        bare = ["".join(text.split()) for text in NEW]
        back = ["".join(text.split()) for text in _decoded(new, NEW)]
        whole = [text for text, one in zip(back, bare) if text == one]
        assert len(whole) > len(NEW) / 2 > sum(new.unk_token in text for text in back)


def test_characters_that_were_bytes_become_pieces_and_merges_join_them(tmp_path: Path) -> None:
    old = byte_fallback_bpe(OLD)
    new = learn_tokens(old, NEW, tmp_path / "new", num_new=120)
    fresh = set(new.get_vocab()) - set(old.get_vocab())
    letters = {character for line in NEW for character in line if character.isalpha()}
    common = {letter for letter in letters if sum(line.count(letter) for line in NEW) > 20}
    assert common and common <= fresh
    assert not [token for token in fresh if "<0x" in token]
    assert any(len(token) > 2 and set(token) <= letters for token in fresh)
    # With room for a few alone, the most frequent characters come first, and the rest of them stay bytes.
    few = learn_tokens(old, NEW, tmp_path / "few", num_new=3)
    counted = Counter(character for line in NEW for character in line if character in letters)
    assert set(few.get_vocab()) - set(old.get_vocab()) == {letter for letter, _ in counted.most_common(3)}
    assert _decoded(few, NEW) == NEW


def test_no_new_token_crosses_a_word(tmp_path: Path) -> None:
    text = [line for _, line in corpus_lines("swh_Latn")]
    old = byte_fallback_bpe(OLD)
    new = learn_tokens(old, text, tmp_path / "new", num_new=60)
    fresh = set(new.get_vocab()) - set(old.get_vocab())
    assert len(fresh) == 60 and any(token.startswith("▁") for token in fresh)
    assert not [token for token in fresh if "▁" in token[1:]]
    # Nor is a word joined with the sign behind it.
    assert not [token for token in fresh if len({character.isalnum() for character in token.strip("▁")}) > 1]


def test_merges_of_the_text_alone_would_shorten_it_less(tmp_path: Path) -> None:
    """A vacuity guard: what is learned on top joins tokens that the old merges leave behind."""
    old, text = byte_level_bpe(OLD), [line for _, line in corpus_lines("swh_Latn")]
    new = learn_tokens(old, text, tmp_path / "new", num_new=60)
    state = backend_state(old)
    model, taken = state["model"], dict(old.get_vocab())
    for left, right in merges_of(backend_state(byte_level_bpe(text, vocab_size=256 + 300))["model"]):
        if left + right not in taken and len(taken) < len(new):
            taken[left + right] = len(taken)
            model["merges"].append([left, right])
    model["vocab"].update(taken)
    alone = write_backend(old, state, taken, tmp_path / "alone")
    lengths = [sum(map(len, one(text)["input_ids"])) for one in (new, alone, old)]
    assert len(alone) == len(new) and lengths[0] < lengths[1] <= lengths[2]


def test_learning_is_refused_where_it_cannot_be(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Unigram.*extend_tokenizer"):
        learn_tokens(tiny_tokenizer, NEW, tmp_path, num_new=10)
    old = byte_level_bpe(OLD)
    with pytest.raises(ValueError, match="no text"):
        learn_tokens(old, [], tmp_path, num_new=10)
    with pytest.raises(ValueError, match="nothing to add"):
        learn_tokens(old, ["ა"], tmp_path, num_new=10)
    with pytest.raises(ValueError, match="at least 1"):
        learn_tokens(old, NEW, tmp_path, num_new=0)


def test_similar_tokens_keep_the_same_company(tmp_path: Path) -> None:
    """A planted synonym: new words stand exactly where old ones do."""
    old = word_piece(["red green blue dog cat bird runs sings sleeps the a"] * 5, tmp_path / "old", 300)
    nouns, colours, verbs = ["dog", "cat", "bird"], ["red", "green", "blue"], ["runs", "sings", "sleeps"]
    lines = [f"the {c} {n} {v}" for c in colours for n in nouns for v in verbs]
    lines += [line.replace("dog", "qqq").replace("red", "zzz") for line in lines]
    new = learn_tokens(old, ["qqq zzz"] * 30, tmp_path / "new", num_new=40)
    found = similar_tokens(new, lines * 5, old)
    names = {index: token for token, index in old.get_vocab().items()}
    best = {token: names[max(found[token], key=found[token].__getitem__)] for token in ("qqq", "zzz")}
    assert best["qqq"] in nouns and best["zzz"] in colours
    assert all(abs(sum(weights.values()) - 1) < 1e-9 for weights in found.values())
    assert found == similar_tokens(new, lines * 5, old)
    with pytest.raises(ValueError, match="0 new tokens"):
        similar_tokens(new, ["the red cat"], old)
