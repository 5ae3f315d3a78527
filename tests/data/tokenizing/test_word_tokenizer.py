from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from hf_mplm.data.tokenizing.word_tokenizer import WordTokenizer
from tests.fixtures import corpus_lines


def sentences():
    return [line.split() for _, line in corpus_lines()]


def isolated(tokenizer, word):
    return tokenizer(word, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("max_length", [12, 40, 128])
def test_each_word_stands_in_exactly_one_window(max_length, tiny_tokenizer):
    words = WordTokenizer(tiny_tokenizer, max_length)
    words.add(sentences())
    split = 0
    for sentence in sentences():
        windows = list(words.windows(sentence))
        split += len(windows) > 1
        covered = [index for window in windows for index in range(window.start, window.stop)]
        assert covered == list(range(len(sentence)))
        for window in windows:
            assert len(window.input_ids) <= max_length
            assert window.input_ids[0] == tiny_tokenizer.bos_token_id
            assert window.input_ids[-1] == tiny_tokenizer.eos_token_id
            ids = [isolated(tiny_tokenizer, word)[: words.room] for word in sentence[window.start : window.stop]]
            assert window.input_ids[1:-1].tolist() == [token for piece in ids for token in piece]
            assert window.input_ids[window.positions].tolist() == [piece[0] for piece in ids]
    # Short windows must have cut something, or the test has shown nothing.
    assert split > 0 or max_length == 128


def test_no_window_could_have_taken_the_next_word(tiny_tokenizer):
    words = WordTokenizer(tiny_tokenizer, 24)
    words.add(sentences())
    for sentence in sentences():
        windows = list(words.windows(sentence))
        for window in windows[:-1]:
            following = isolated(tiny_tokenizer, sentence[window.stop])[: words.room]
            assert len(window.input_ids) + len(following) > 24


@pytest.mark.parametrize("word", ["\u00a0", "\u200b", "\ufeff", ""])
def test_a_word_without_subwords_becomes_the_unknown_token(word, tiny_tokenizer):
    assert isolated(tiny_tokenizer, word) == []
    words = WordTokenizer(tiny_tokenizer, 32)
    words.add([["a", word, "b"]])
    (window,) = words.windows(["a", word, "b"])
    assert len(window.positions) == 3
    assert window.input_ids[window.positions[1]] == tiny_tokenizer.unk_token_id
    assert words.n_empty == 1


def test_a_no_break_space_within_a_word_stays(tiny_tokenizer):
    words = WordTokenizer(tiny_tokenizer, 32)
    words.add([["10\u00a0000"]])
    (window,) = words.windows(["10\u00a0000"])
    assert window.input_ids[1:-1].tolist() == isolated(tiny_tokenizer, "10\u00a0000")
    assert len(window.positions) == 1


def test_a_word_longer_than_the_window_keeps_its_first_subwords(tiny_tokenizer):
    long = "na" * 100
    words = WordTokenizer(tiny_tokenizer, 16)
    words.add([["a", long, "b"]])
    windows = list(words.windows(["a", long, "b"]))
    assert [(window.start, window.stop) for window in windows] == [(0, 1), (1, 2), (2, 3)]
    assert windows[1].input_ids[1:-1].tolist() == isolated(tiny_tokenizer, long)[:14]


def test_a_whole_sentence_keeps_the_first_subword_of_each_word(tiny_tokenizer):
    sentence = ["international"] * 5 + ["a"] * 5
    words = WordTokenizer(tiny_tokenizer, 22)
    words.add([sentence])
    window = words.whole(sentence)
    assert len(window.positions) == 10 and len(window.input_ids) <= 22
    assert window.input_ids[window.positions].tolist() == [isolated(tiny_tokenizer, word)[0] for word in sentence]
    # Short words are whole; only the long ones have lost subwords, and no more than they had to.
    assert len(isolated(tiny_tokenizer, "a")) == 2
    assert np.diff(window.positions)[5:].tolist() == [2, 2, 2, 2]
    assert 22 - len(window.input_ids) < 5
    assert words.whole(["a"] * 21) is None
    assert words.whole(["a"] * 20) is not None


def byte_level(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="!")


def test_words_of_a_byte_level_vocabulary_are_those_after_a_space():
    tokenizer = byte_level(["the cat and the dog and the cat"] * 20)
    assert isolated(tokenizer, "the") != isolated(tokenizer, " the")
    words = WordTokenizer(tokenizer, 32)
    words.add([["the", "cat"]])
    (window,) = words.windows(["the", "cat"])
    assert window.input_ids.tolist() == isolated(tokenizer, " the cat")


def test_a_tokenizer_without_an_unknown_token_is_told(tiny_tokenizer):
    tiny_tokenizer.unk_token = None
    tiny_tokenizer.mask_token = None
    words = WordTokenizer(tiny_tokenizer, 32)
    with pytest.raises(ValueError, match="maps the word '\\\\xa0' to nothing"):
        words.add([["\u00a0"]])


def test_a_sentence_is_read_as_it_is_written_and_its_words_are_found(tiny_tokenizer):
    text = "Alle Menschen sind frei, und gleich!"
    spans = [(0, 4), (5, 13), (14, 18), (19, 23), (25, 28), (29, 35)]
    words = WordTokenizer(tiny_tokenizer, 64)
    (written,) = words.as_written([text], [spans])
    assert written.input_ids.tolist() == tiny_tokenizer(text)["input_ids"] and written.n_cut == 0
    for (start, stop), first, last in zip(spans, written.starts, written.stops):
        assert tiny_tokenizer.decode(written.input_ids[first:last]).strip() == text[start:stop]
    # Reading word by word would have lost the comma and told the exclamation mark from the word before it.
    words.add([[text[start:stop] for start, stop in spans]])
    (window,) = words.windows([text[start:stop] for start, stop in spans])
    assert window.input_ids.tolist() != written.input_ids.tolist()


def test_words_behind_the_longest_sentence_have_no_token_and_are_counted(tiny_tokenizer):
    text = "a b c d e f g h"
    spans = [(i, i + 1) for i in range(0, len(text), 2)]
    (whole,) = WordTokenizer(tiny_tokenizer, 64).as_written([text], [spans])
    (cut,) = WordTokenizer(tiny_tokenizer, 8).as_written([text], [spans])
    assert len(cut.input_ids) == 8 and cut.input_ids[-1] == tiny_tokenizer.eos_token_id
    left = whole.stops <= 7
    assert 0 < left.sum() < 8 and cut.n_cut == (~left).sum()
    assert (cut.stops[left] == whole.stops[left]).all() and (cut.stops[~left] == cut.starts[~left]).all()


def test_a_token_over_the_border_of_two_words_belongs_to_both():
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "<pad>": 1, "abcd": 2, "a": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="[UNK]")
    (written,) = WordTokenizer(fast, 8).as_written(["a abcd"], [[(0, 1), (2, 4), (4, 6), (6, 6)]])
    assert written.starts.tolist()[:3] == [0, 1, 1] and written.stops.tolist()[:3] == [1, 2, 2]
    assert written.starts[3] == written.stops[3] and written.n_cut == 0


def test_a_tokenizer_without_characters_is_told(tiny_tokenizer, monkeypatch):
    monkeypatch.setattr(type(tiny_tokenizer), "is_fast", False)
    with pytest.raises(ValueError, match="which characters a token stands for"):
        WordTokenizer(tiny_tokenizer, 8).as_written(["a"], [[(0, 1)]])
