from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.data.batches.masking import FIXED_STREAM, IGNORE_INDEX, mask_tokens


VOCABULARY = 500
SPECIAL = [0, 1, 2, 3, 499]
MASK_ID = 499
BEGIN, PAD, END = 0, 1, 2


def rows(batch: int, length: int, seed: int = 0) -> np.ndarray:
    """Chunks as a store has them: several sentences, each with its own `<s>` and `</s>`."""
    tokens = np.random.default_rng(seed).integers(4, 499, size=(batch, length))
    tokens[:, ::20], tokens[:, 19::20] = BEGIN, END
    return tokens


def mask(tokens, draw, **options):
    options = {"seed": 7, "mask_token_id": MASK_ID, "vocab_size": VOCABULARY, "special_ids": SPECIAL, **options}
    return mask_tokens(tokens, draw=draw, **options)


def assert_share(count: int, trials: int, probability: float) -> None:
    """Within five standard deviations of the binomial: a correct generator fails here once in two million."""
    assert abs(count - trials * probability) <= 5 * (trials * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.3, 0.5])
def test_rate_and_shares_are_those_asked_for(rate):
    tokens = rows(100, 400)
    masked = mask(tokens, np.arange(100), mask_rate=rate)
    ordinary = ~np.isin(tokens, SPECIAL)
    chosen = masked.labels != IGNORE_INDEX
    assert_share(chosen.sum(), ordinary.sum(), rate)
    assert masked.num_masked.tolist() == chosen.sum(axis=1).tolist()
    total = chosen.sum()
    became_mask = (masked.input_ids == MASK_ID) & chosen
    assert_share(became_mask.sum(), total, 0.8)
    # A random token is the original itself once in 495 times.
    kept = (masked.input_ids == tokens) & chosen
    assert_share(kept.sum(), total, 0.1 + 0.1 / 495)


def test_positions_are_chosen_independently():
    ordinary = np.full((2000, 40), 9)
    chosen = mask(ordinary, np.arange(2000)).labels != IGNORE_INDEX
    assert_share((chosen[:, :-1] & chosen[:, 1:]).sum(), 2000 * 39, 0.15**2)
    assert_share((chosen[:-1] & chosen[1:]).sum(), 1999 * 40, 0.15**2)
    # Bernoulli: the number in a row varies as a binomial's, and some rows of a few tokens have none.
    assert chosen.sum(axis=1).var() == pytest.approx(40 * 0.15 * 0.85, rel=0.2)
    short = mask(ordinary[:, :5], np.arange(2000))
    assert_share((short.num_masked == 0).sum(), 2000, 0.85**5)


def test_labels_hold_the_original_where_chosen_and_nothing_else_changes():
    tokens = rows(20, 200)
    before = tokens.copy()
    masked = mask(tokens, np.arange(20))
    chosen = masked.labels != IGNORE_INDEX
    assert (masked.labels[chosen] == tokens[chosen]).all()
    assert (masked.input_ids[~chosen] == tokens[~chosen]).all()
    assert (tokens == before).all()


def test_special_tokens_are_never_masked_wherever_they_stand():
    tokens = rows(50, 400)
    masked = mask(tokens, np.arange(50), mask_rate=1.0)
    special = np.isin(tokens, SPECIAL)
    assert special[:, 1:-1].any()
    assert ((masked.labels != IGNORE_INDEX) == ~special).all()


def test_random_tokens_are_uniform_over_the_ids_that_are_not_special():
    tokens = np.full((200, 400), 9)
    drawn = mask(tokens, np.arange(200), mask_rate=1.0, mask_share=0.0, random_share=1.0).input_ids
    counts = np.bincount(drawn.ravel(), minlength=VOCABULARY)
    assert (counts[SPECIAL] == 0).all()
    ordinary = np.delete(counts, SPECIAL)
    expected = drawn.size / len(ordinary)
    chi_square = ((ordinary - expected) ** 2 / expected).sum()
    freedom = len(ordinary) - 1
    assert abs(chi_square - freedom) < 5 * (2 * freedom) ** 0.5


def test_a_batch_equals_its_rows_one_by_one_in_any_order():
    tokens, draws = rows(8, 60), np.array([3, 10**9, 4, 17, 0, 2**40, 5, 8])
    together = mask(tokens, draws)
    for index in range(8):
        alone = mask(tokens[index], int(draws[index]))
        assert (alone.input_ids == together.input_ids[index]).all()
        assert (alone.labels == together.labels[index]).all()
        assert alone.num_masked == together.num_masked[index]
    order = np.array([5, 2, 7, 0, 1, 6, 3, 4])
    shuffled = mask(tokens[order], draws[order])
    assert (shuffled.input_ids == together.input_ids[order]).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(side):
    tokens = rows(4, 60)
    plain = mask(tokens, np.arange(4))
    padding = np.full((4, 13), 9)  # an ordinary id: only the attention mask tells
    attended = np.ones_like(tokens)
    parts = [[padding, tokens], [padding * 0, attended]]
    if side == "right":
        parts = [part[::-1] for part in parts]
    padded = mask(np.hstack(parts[0]), np.arange(4), attention_mask=np.hstack(parts[1]))
    real = np.hstack(parts[1]) == 1
    assert (padded.input_ids[real].reshape(4, 60) == plain.input_ids).all()
    assert (padded.labels[real].reshape(4, 60) == plain.labels).all()
    assert (padded.labels[~real] == IGNORE_INDEX).all()


@pytest.mark.parametrize(
    "other", [{"draw": 6}, {"seed": 8}, {"stream": 1}, {"stream": FIXED_STREAM}, {"draw": 5 + 2**32}]
)
def test_seed_draw_and_stream_each_give_other_masks(other):
    tokens = np.full(4000, 9)
    first = mask(tokens, draw=5).labels != IGNORE_INDEX
    second = mask(tokens, **{"draw": 5, **other}).labels != IGNORE_INDEX
    # Not merely different: they overlap as unrelated masks do.
    assert_share((first & second).sum(), 4000, 0.15**2)


def test_each_row_may_have_its_own_rate():
    tokens = np.full((3, 4000), 9)
    masked = mask(tokens, np.arange(3), mask_rate=np.array([0.0, 0.3, 1.0]))
    assert masked.num_masked[0] == 0 and masked.num_masked[2] == 4000
    assert_share(masked.num_masked[1], 4000, 0.3)


def test_a_higher_rate_masks_the_same_tokens_and_more():
    tokens = rows(10, 200)
    low = mask(tokens, np.arange(10), mask_rate=0.05).labels != IGNORE_INDEX
    high = mask(tokens, np.arange(10), mask_rate=0.3).labels != IGNORE_INDEX
    assert (high | ~low).all() and high.sum() > low.sum()


def test_a_vocabulary_without_special_ids_is_allowed():
    assert mask([0, 1], 0, special_ids=[], mask_rate=1.0).num_masked == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_rate": 1.5}, "mask_rate"),
        ({"mask_rate": float("nan")}, "mask_rate"),
        ({"mask_share": 0.9, "random_share": 0.2}, "mask_share"),
        ({"mask_share": -0.1}, "mask_share"),
        ({"draw": [1, 2]}, "draw"),
        ({"seed": -1}, "seed"),
        ({"stream": 2**31}, "stream"),
        ({"special_ids": range(500)}, "vocab_size"),
    ],
)
def test_impossible_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        mask([[5, 6, 7]], **{"draw": [0], **change})
