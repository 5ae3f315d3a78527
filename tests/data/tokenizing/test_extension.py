from __future__ import annotations

import json
from pathlib import Path

import pytest
import sentencepiece
from transformers import BertTokenizerFast, PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.sentencepiece_model import MODEL_FILE
from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, load_tokenizer, train_tokenizer
from tests.fixtures import corpus_lines


@pytest.fixture
def english(tmp_path: Path) -> PreTrainedTokenizerBase:
    lines = [line for _, line in corpus_lines("eng_Latn", "kat_Geor")]
    return train_tokenizer(lines, tmp_path / "english", vocab_size=210, num_threads=1)


def _scores(tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    return dict(json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"])


def _in_order(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return tokenizer.convert_ids_to_tokens(range(len(tokenizer)))


def test_old_ids_and_scores_stay_and_mask_moves_to_the_end(
    tiny_tokenizer: PreTrainedTokenizerBase, english: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    extended = extend_tokenizer(tiny_tokenizer, english, tmp_path / "extended")
    old, new = tiny_tokenizer.get_vocab(), extended.get_vocab()
    assert {token: new[token] for token in old if token != "<mask>"} == {t: i for t, i in old.items() if t != "<mask>"}
    assert extended.mask_token_id == len(extended) - 1
    assert set(new) == set(old) | set(english.get_vocab())
    old_scores, new_scores = _scores(tiny_tokenizer), _scores(extended)
    assert all(new_scores[token] == score for token, score in old_scores.items())
    # New ids follow in the order of the new vocabulary.
    added = sorted((index, token) for token, index in new.items() if token not in old)
    assert [token for _, token in added] == [token for token in _in_order(english) if token not in old]


def test_ids_are_sentencepieces_own_after_extending(
    tiny_tokenizer: PreTrainedTokenizerBase, english: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    extended = extend_tokenizer(tiny_tokenizer, english, tmp_path / "extended")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "extended" / MODEL_FILE))
    lines = [line for _, line in corpus_lines()]
    expected = [[index + 1 if index else 3 for index in processor.encode(line)] for line in lines]
    assert extended(lines, add_special_tokens=False)["input_ids"] == expected
    assert expected != tiny_tokenizer(lines, add_special_tokens=False)["input_ids"]


def test_scores_are_shifted_to_the_old_scale(
    tiny_tokenizer: PreTrainedTokenizerBase, english: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """A new model whose scores are all lower by one constant must give the same extension."""
    state = json.loads((Path(english.name_or_path) / "tokenizer.json").read_text(encoding="utf-8"))
    for entry in state["model"]["vocab"][4:-1]:
        entry[1] -= 3.0
    lower = tmp_path / "lower"
    lower.mkdir()
    (lower / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    (lower / "tokenizer_config.json").write_bytes((Path(english.name_or_path) / "tokenizer_config.json").read_bytes())
    lowered = load_tokenizer(lower)
    new = [token for token in _in_order(english) if token not in tiny_tokenizer.get_vocab()]
    assert [_scores(lowered)[token] for token in new] == [_scores(english)[token] - 3.0 for token in new]
    first = extend_tokenizer(tiny_tokenizer, english, tmp_path / "first")
    second = extend_tokenizer(tiny_tokenizer, lowered, tmp_path / "second")
    assert _scores(first) == _scores(second)
    # The vocabulary of two languages is worth more a piece than that of fourteen: unshifted scores would be too high.
    assert all(_scores(first)[token] < _scores(english)[token] for token in new)


def test_plain_pieces_replace_exactly_their_old_spelling(
    tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    word = "▁recognition"
    line = "recognition of human dignity"
    before = tiny_tokenizer.tokenize(line)
    spelled = tiny_tokenizer.tokenize("recognition")
    assert before[: len(spelled)] == spelled and len(spelled) > 1
    extended = extend_tokenizer(tiny_tokenizer, [word, word, "ꙮ"], tmp_path)
    assert extended.tokenize(line) == [word, *before[len(spelled) :]]
    assert len(extended) == len(tiny_tokenizer) + 2
    assert extended.tokenize("aꙮ")[-1] == "ꙮ"
    others = [text for _, text in corpus_lines() if "recognition" not in text]
    assert extended.batch_decode(extended(others)["input_ids"]) == tiny_tokenizer.batch_decode(
        tiny_tokenizer(others)["input_ids"]
    )


def test_max_new_pieces_takes_the_first(
    tiny_tokenizer: PreTrainedTokenizerBase, english: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    extended = extend_tokenizer(tiny_tokenizer, english, tmp_path / "x", max_new_pieces=3)
    new = [token for token in _in_order(english) if token not in tiny_tokenizer.get_vocab()]
    assert extended.convert_ids_to_tokens(range(len(tiny_tokenizer) - 1, len(extended))) == [*new[:3], "<mask>"]


def test_what_cannot_be_extended_is_refused(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    with pytest.raises(ValueError, match=r"has not the layout of XLM-R's.*tokenizer\.add_tokens"):
        extend_tokenizer(BertTokenizerFast.from_pretrained(tmp_path), ["b"], tmp_path / "x")
    with pytest.raises(ValueError, match="nothing to add"):
        extend_tokenizer(tiny_tokenizer, tiny_tokenizer, tmp_path / "x")
    with pytest.raises(ValueError, match="empty or white space"):
        extend_tokenizer(tiny_tokenizer, [" "], tmp_path / "x")
    tiny_tokenizer.add_tokens(["Wasserfall"])
    with pytest.raises(ValueError, match="Wasserfall; start from the tokenizer without them"):
        extend_tokenizer(tiny_tokenizer, ["▁new"], tmp_path / "x")
    assert not (tmp_path / "x").exists()
