from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_mplm.data.batches.masking import mask_tokens
from hf_mplm.data.batches.row_packing import pack_rows
from hf_mplm.data.batches.transliteration_collator import STREAMS, DataCollatorForTransliteration, shorten_pair
from hf_mplm.data.batches.word_boundaries import number_words, word_starts


def pairs(tokenizer, count: int = 6, longest: int = 20, *, seed: int = 0) -> list[dict]:
    generator = np.random.default_rng(seed)
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)

    def sentence() -> list[int]:
        inner = generator.choice(ordinary, size=int(generator.integers(2, longest))).tolist()
        return [tokenizer.bos_token_id, *inner, tokenizer.eos_token_id]

    return [
        {"input_ids": sentence(), "romanized_input_ids": sentence(), "language": index % 2, "draw": 100 + index}
        for index in range(count)
    ]


def unmasked(batch: dict, name: str) -> list[list[int]]:
    """The rows of a stream as they were before masking, without padding."""
    labels, ids = batch[f"{name}_labels"], batch[f"{name}_input_ids"]
    whole = torch.where(labels.ne(-100), labels, ids)
    return [row[mask.bool()].tolist() for row, mask in zip(whole, batch[f"{name}_attention_mask"])]


def test_the_three_texts_are_those_of_the_pair(tiny_tokenizer):
    features = pairs(tiny_tokenizer, 40)
    batch = DataCollatorForTransliteration(tiny_tokenizer, mask_rate=0.3)(features)
    source, romanized, tlm = (unmasked(batch, name) for name in STREAMS)
    assert source == [feature["input_ids"] for feature in features]
    assert romanized == [feature["romanized_input_ids"] for feature in features]
    orders = set()
    for one, other, both in zip(source, romanized, tlm):
        # One </s> between, and the second <s> gone.
        assert both in (one + other[1:], other + one[1:])
        orders.add(both == one + other[1:])
    assert orders == {True, False}
    assert batch["draw"].tolist() == [feature["draw"] for feature in features]
    assert not batch["cut"].any()


def test_each_text_has_masks_of_its_own_stream(tiny_tokenizer):
    features = pairs(tiny_tokenizer)
    batch = DataCollatorForTransliteration(tiny_tokenizer, seed=5, mask_rate=0.4)(features)
    for stream, name in enumerate(STREAMS):
        for place, row in enumerate(unmasked(batch, name)):
            expected = mask_tokens(
                row,
                draw=features[place]["draw"],
                seed=5,
                stream=stream,
                mask_rate=0.4,
                mask_token_id=tiny_tokenizer.mask_token_id,
                vocab_size=len(tiny_tokenizer),
                special_ids=tiny_tokenizer.all_special_ids,
            )
            assert batch[f"{name}_labels"][place, : len(row)].tolist() == expected.labels.tolist()
            assert batch[f"{name}_input_ids"][place, : len(row)].tolist() == expected.input_ids.tolist()


def test_a_pair_is_the_same_in_any_batch_and_differs_from_draw_to_draw(tiny_tokenizer):
    features = pairs(tiny_tokenizer, 30)
    collator = DataCollatorForTransliteration(tiny_tokenizer, mask_rate=0.4)
    alone, together = collator([features[7]]), collator(features)
    for name in STREAMS:
        width = alone[f"{name}_input_ids"].shape[1]
        for key in ("input_ids", "labels"):
            assert alone[f"{name}_{key}"][0].tolist() == together[f"{name}_{key}"][7, :width].tolist()
    again = collator([{**features[7], "draw": draw} for draw in range(40)])
    # Both orders of TLM, and many masks, of one and the same pair.
    assert len({tuple(row) for row in unmasked(again, "tlm")}) == 2
    assert len({tuple(row.tolist()) for row in again["source_labels"]}) > 10


def by_tokens(first: int, second: int, room: int) -> tuple[int, int]:
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


@pytest.mark.parametrize("room", [2, 7, 20])
def test_the_longer_text_is_cut_first(room):
    for first in range(1, 25):
        for second in range(1, 25):
            kept, expected = shorten_pair(first, second, room), by_tokens(first, second, room)
            assert sum(kept) == min(first + second, room)
            # Where both are cut alike, which of them keeps an odd token is no matter.
            assert sorted(kept) == sorted(expected)
            assert kept[0] <= first and kept[1] <= second and abs(kept[0] - expected[0]) <= 1


def test_a_pair_that_is_too_long_keeps_both_ends_and_is_counted(tiny_tokenizer):
    bos, eos = tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id
    long = {"input_ids": [bos, *range(10, 40), eos], "romanized_input_ids": [bos, *range(50, 55), eos], "draw": 1}
    short = {"input_ids": [bos, 10, 11, eos], "romanized_input_ids": [bos, 12, eos], "draw": 2}
    batch = DataCollatorForTransliteration(tiny_tokenizer, max_length=16)([long, short])
    source, tlm = unmasked(batch, "source")[0], unmasked(batch, "tlm")[0]
    assert source == [bos, *range(10, 24), eos]
    assert len(tlm) == 16 and tlm.count(eos) == 2 and tlm[-1] == eos and tlm.count(bos) == 1
    # The romanised sentence, which is the shorter, is whole.
    ends = [place for place, token in enumerate(tlm) if token in (bos, eos)]
    assert list(range(50, 55)) in [tlm[start + 1 : stop] for start, stop in zip(ends, ends[1:])]
    assert batch["cut"].tolist() == [2, 0]


def test_pooling_takes_masked_tokens_and_no_special_ones(tiny_tokenizer):
    features = pairs(tiny_tokenizer)
    features[0]["input_ids"][2] = tiny_tokenizer.unk_token_id
    features[1]["romanized_input_ids"] = [tiny_tokenizer.bos_token_id, tiny_tokenizer.eos_token_id]
    batch = DataCollatorForTransliteration(tiny_tokenizer, mask_rate=1.0)(features)
    assert (batch["source_input_ids"] == tiny_tokenizer.mask_token_id).any()
    for name in STREAMS[:2]:
        key = "romanized_input_ids" if name == "romanized" else "input_ids"
        for place, feature in enumerate(features):
            length = len(feature[key])
            expected = [0] + [1] * (length - 2) + [0] * (batch[f"{name}_input_ids"].shape[1] - length + 1)
            assert batch[f"{name}_pool_mask"][place].tolist() == expected


def test_held_out_pairs_never_change(tiny_tokenizer):
    features = pairs(tiny_tokenizer, 20)
    collator = DataCollatorForTransliteration(tiny_tokenizer, mask_rate=0.3)
    fixed = collator.for_evaluation()
    one, other = fixed(features), fixed(features)
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(one["source_labels"], collator(features)["source_labels"])


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"input_ids": [0, 9, 2]}, "romanized_input_ids"),
        ({"input_ids": [0, 9, 2], "romanized_input_ids": []}, "no sentence"),
        ({"input_ids": [9, 9, 9], "romanized_input_ids": [0, 9, 2]}, "no sentence"),
    ],
)
def test_rows_that_are_no_pairs_are_refused(tiny_tokenizer, feature, message):
    with pytest.raises(ValueError, match=message):
        DataCollatorForTransliteration(tiny_tokenizer)([feature])


def test_every_token_has_its_place_in_the_packed_rows(tiny_tokenizer):
    features = pairs(tiny_tokenizer, 16, 40)
    batch = DataCollatorForTransliteration(tiny_tokenizer, pack=True)(features)
    lengths = [int(mask.sum()) for name in STREAMS for mask in batch[f"{name}_attention_mask"]]
    segments, positions = batch["packed_segments"], batch["packed_positions"]
    for segment, length in enumerate(lengths):
        at = (segments == segment).nonzero()
        assert len(at) == length and len(at[:, 0].unique()) == 1
        assert at[:, 1].diff().eq(1).all() and positions[segments == segment].tolist() == list(range(length))
    assert (segments >= 0).sum() == sum(lengths)
    padded = sum(batch[f"{name}_input_ids"].numel() for name in STREAMS)
    assert segments.numel() < 0.8 * padded, "packing must save what padding costs"


def test_packing_fills_rows():
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.5, 0.6, size=300).astype(int), 3, 200)
    packed = pack_rows(lengths)
    assert (packed.segments >= 0).mean() > 0.97
    assert (pack_rows([3]).segments == [[0, 0, 0, -1, -1, -1, -1, -1]]).all()


def test_words_are_numbered_alike_on_both_sides(tiny_tokenizer):
    texts = [("όλοι οι άνθρωποι", "oloi oi anthropoi"), ("όλοι οι", "oloioi"), ("άνθρωποι", "anthropoi")]
    features = [
        {
            "input_ids": tiny_tokenizer(one)["input_ids"],
            "romanized_input_ids": tiny_tokenizer(other)["input_ids"],
            "draw": index,
        }
        for index, (one, other) in enumerate(texts)
    ]
    batch = DataCollatorForTransliteration(tiny_tokenizer, align_words=True)(features)
    assert batch["word_labels"].tolist() == [0, 0, 0]
    for side, column in (("source", 0), ("romanized", 1)):
        words, ids = batch[f"{side}_words"], unmasked(batch, side)
        assert (words[1:] == -1).all()
        found = [tiny_tokenizer.decode([t for t, w in zip(ids[0], words[0].tolist()) if w == n]) for n in range(3)]
        assert found == texts[0][column].split()


def test_word_starts_by_kind_of_tokenizer():
    class Vocabulary:
        name_or_path = "x"

        def __init__(self, *tokens):
            self.tokens = tokens

        def get_vocab(self):
            return {token: index for index, token in enumerate(self.tokens)}

    assert word_starts(Vocabulary("\u2581a", "b", "\u2581")).tolist() == [True, False, True]
    assert word_starts(Vocabulary("\u0120a", "b")).tolist() == [True, False]
    wordpiece = word_starts(Vocabulary("a", "##b"))
    assert number_words(np.array([0, 1, 0, 1, 1]), wordpiece).tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="does not mark"):
        word_starts(Vocabulary("a", "b"))
