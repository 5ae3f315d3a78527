from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hf_mplm.data.tokenizing import trimming
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.data.tokenizing.trimming import TrimmedVocabulary, choose_tokens, write_trimmed_tokenizer
from tests.data.tokenizing.kinds import byte_fallback_bpe, byte_level_bpe, word_piece
from tests.fixtures import corpus_lines


KINDS = ["unigram", "byte_level", "byte_fallback", "word_piece"]
SOME = [line for _, line in corpus_lines("deu_Latn")]
ALL = [line for _, line in corpus_lines("deu_Latn", "swh_Latn", "rus_Cyrl")]


@pytest.fixture(scope="module")
def tokenizers(
    tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, PreTrainedTokenizerBase]:
    return {
        "unigram": load_tokenizer(tiny_tokenizer_folder),
        "byte_level": byte_level_bpe(ALL),
        "byte_fallback": byte_fallback_bpe(ALL),
        "word_piece": word_piece(ALL, tmp_path_factory.mktemp("word_piece")),
    }


def _counts(tokenizer: PreTrainedTokenizerBase, lines: list[str]) -> np.ndarray:
    ids = [index for row in tokenizer(lines, add_special_tokens=False)["input_ids"] for index in row]
    return np.bincount(ids, minlength=len(tokenizer))


def _mapped(tokenizer: PreTrainedTokenizerBase, trimmed: TrimmedVocabulary, lines: list[str]) -> list[list[int]]:
    new = trimmed.new_ids()
    return [[int(new[index]) for index in row] for row in tokenizer(lines)["input_ids"]]


@pytest.mark.parametrize("kind", KINDS)
def test_ids_of_the_text_map_one_to_one(
    kind: str, tokenizers: dict[str, PreTrainedTokenizerBase], tmp_path: Path
) -> None:
    whole = tokenizers[kind]
    trimmed = choose_tokens(whole, _counts(whole, SOME))
    small = write_trimmed_tokenizer(whole, trimmed, tmp_path)
    assert len(small) < len(whole)
    assert small(SOME)["input_ids"] == _mapped(whole, trimmed, SOME)
    assert small(SOME[:1], SOME[1:2])["input_ids"] == [
        [int(trimmed.new_ids()[index]) for index in whole(SOME[0], SOME[1])["input_ids"]]
    ]
    assert [small.convert_ids_to_tokens(i) for i in range(len(small))] == whole.convert_ids_to_tokens(
        trimmed.kept.tolist()
    )
    for role in ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"):
        assert getattr(small, role) == getattr(whole, role)
    # Other text is longer, and no more of it is unknown.
    other = whole(ALL)["input_ids"], small(ALL)["input_ids"]
    assert sum(map(len, other[1])) > sum(map(len, other[0]))
    unknown = [sum(row.count(one.unk_token_id) for row in ids) for one, ids in zip((whole, small), other)]
    assert unknown[1] <= unknown[0] or kind == "word_piece"  # which gives up a word that it cannot finish


def test_a_bpe_without_the_parts_of_its_tokens_cuts_the_text_otherwise(
    tokenizers: dict[str, PreTrainedTokenizerBase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tokenizers["byte_level"]
    monkeypatch.setattr(trimming, "_keep_parts", lambda *_: None)
    trimmed = choose_tokens(whole, _counts(whole, SOME))
    small = write_trimmed_tokenizer(whole, trimmed, tmp_path)
    assert small(SOME)["input_ids"] != _mapped(whole, trimmed, SOME)


def test_the_price_of_an_unknown_character_stays(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    scores = dict(json.loads(tiny_tokenizer.backend_tokenizer.to_str())["model"]["vocab"])
    lowest = min(score for token, score in scores.items() if token not in tiny_tokenizer.all_special_tokens)
    small = write_trimmed_tokenizer(tiny_tokenizer, choose_tokens(tiny_tokenizer, np.zeros(0, dtype=int)), tmp_path)
    kept = dict(json.loads(small.backend_tokenizer.to_str())["model"]["vocab"])
    assert min(kept.values()) == lowest


@pytest.mark.parametrize("kind", KINDS)
def test_rare_tokens_go_and_frequent_ones_can_be_kept(
    kind: str, tokenizers: dict[str, PreTrainedTokenizerBase]
) -> None:
    whole = tokenizers[kind]
    counts = _counts(whole, SOME)
    sizes = [len(choose_tokens(whole, counts, min_count=least).kept) for least in (1, 5)]
    assert sizes[0] > sizes[1]
    all_of_them = choose_tokens(whole, np.zeros(0, dtype=int), keep_top=len(whole))
    assert len(all_of_them.kept) == len(whole)


def test_added_tokens_survive(tiny_tokenizer_folder: Path, tokenizers: dict[str, PreTrainedTokenizerBase]) -> None:
    whole = load_tokenizer(tiny_tokenizer_folder)
    trimmed = choose_tokens(whole, np.zeros(0, dtype=int))
    assert set(whole.all_special_ids) <= set(trimmed.kept.tolist())


def test_another_kind_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]")))
    with pytest.raises(ValueError, match="WordLevel.*Unigram .XLM-R., WordPiece"):
        choose_tokens(words, np.ones(2, dtype=int))


def test_characters_of_the_text_alone_can_be_kept(tokenizers: dict[str, PreTrainedTokenizerBase]) -> None:
    whole = tokenizers["unigram"]
    counts = _counts(whole, SOME)
    every, few = (choose_tokens(whole, counts, min_count=5, characters=which).kept for which in ("all", "text"))
    gone = whole.convert_ids_to_tokens(sorted(set(every) - set(few)))
    assert gone and set(few) < set(every)
    assert all(len(token.removeprefix("\u2581")) <= 1 and counts[whole.get_vocab()[token]] == 0 for token in gone)
    with pytest.raises(ValueError, match="characters='some'"):
        choose_tokens(whole, counts, characters="some")
