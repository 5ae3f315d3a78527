from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from hf_mplm.data.batches.row_packing import pack_rows
from hf_mplm.modeling.dropout_attention import DropoutAttention
from hf_mplm.modeling.segment_attention import SegmentAttention, segment_layout


HEADS, SIZE = 3, 4


def packed(*lengths: int) -> torch.Tensor:
    return torch.from_numpy(pack_rows(lengths, multiple_of=4).segments)


RAGGED = packed(*np.random.default_rng(0).integers(2, 40, size=50).tolist())
LAYOUTS = {
    "ragged": RAGGED,
    "alike": packed(8, 8, 8, 8),
    "one text": packed(5),
    "an empty row": torch.cat([RAGGED, torch.full_like(RAGGED[:1], -1)]),
    "neighbours across rows": torch.tensor([[0, 0, 1, 1], [2, 2, 2, 3]]),
}


def states_of(segments: torch.Tensor, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (*segments.shape, HEADS * SIZE)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]


def attend(states: list[torch.Tensor], segments: torch.Tensor, **kwargs) -> torch.Tensor:
    heads = [part.unflatten(-1, (HEADS, SIZE)).transpose(1, 2) for part in states]
    mask = (segments[:, :, None] == segments[:, None, :])[:, None]
    return functional.scaled_dot_product_attention(*heads, attn_mask=mask, **kwargs).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("name", LAYOUTS)
def test_output_and_gradients_are_those_of_the_masked_attention(name: str) -> None:
    segments = LAYOUTS[name]
    real = segments >= 0
    results = []
    for by_text in (False, True):
        states = states_of(segments)
        if by_text:
            with SegmentAttention(segments):
                found = attend(states, segments, scale=0.3)
            assert not found[~real].any()
        else:
            found = attend(states, segments, scale=0.3)
        (found[real] ** 3).sum().backward()
        results.append((found[real].detach(), *(part.grad for part in states)))
    for wanted, found in zip(*results):
        assert wanted.abs().max() > 0.1
        torch.testing.assert_close(found, wanted)


def test_fewer_scores_are_made() -> None:
    """What the context is for, and that it was in force above."""
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    for by_text in (False, True):
        # Dropout takes the way on which every score is kept.
        with FlopCounterMode(display=False) as counter:
            if by_text:
                with SegmentAttention(RAGGED):
                    attend(states_of(RAGGED), RAGGED, dropout_p=0.1)
            else:
                attend(states_of(RAGGED), RAGGED, dropout_p=0.1)
        counts.append(counter.get_total_flops())
    # The context of a training step, which stands inside and sees whole rows first, leaves them to this one.
    with FlopCounterMode(display=False) as counter, SegmentAttention(RAGGED), DropoutAttention():
        attend(states_of(RAGGED), RAGGED, dropout_p=0.1)
    assert counter.get_total_flops() == counts[1]
    lengths = torch.bincount(RAGGED[RAGGED >= 0])
    needed = 4 * HEADS * SIZE * int((lengths**2).sum())
    assert needed <= counts[1] < 1.25 * needed < 0.75 * counts[0]


def test_dropout_drops_scores_of_the_text_and_repeats_from_the_same_state() -> None:
    states = states_of(RAGGED)
    ones = [*states[:2], torch.ones_like(states[2])]
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        with SegmentAttention(RAGGED):
            found.append(attend(ones, RAGGED, dropout_p=0.25))
    assert torch.equal(*found)
    sums = found[0][RAGGED >= 0]
    # Rows of weights add up to 1 in the mean, and not each of them.
    assert sums.mean().item() == pytest.approx(1.0, abs=0.05) and sums.std() > 0.05


def test_other_calls_are_left_alone() -> None:
    segments = LAYOUTS["alike"]
    others = packed(3, 9, 4)
    elsewhere = torch.full_like(segments, -1)
    query = torch.randn(*segments.shape, HEADS * SIZE).unflatten(-1, (HEADS, SIZE)).transpose(1, 2)
    without_mask = functional.scaled_dot_product_attention(query, query, query)
    wanted = attend(states_of(others), others)
    with SegmentAttention(segments):
        assert torch.equal(functional.scaled_dot_product_attention(query, query, query), without_mask)
        assert torch.equal(attend(states_of(others), others), wanted)
    of_nothing = attend(states_of(segments), segments)
    with SegmentAttention(elsewhere):
        assert torch.equal(attend(states_of(segments), segments), of_nothing)
    # Vacuity guard: a call over rows of this shape is recognised, and its mask not looked at.
    halves = (torch.arange(segments.shape[1]) // 4).expand_as(segments)
    with SegmentAttention(halves):
        assert not torch.allclose(attend(states_of(segments), segments), of_nothing)


def test_texts_of_similar_length_share_a_group() -> None:
    layout = segment_layout(packed(10, 9, 8, 7, 3))
    assert layout.groups == ((3, 10), (1, 7), (1, 3))
    assert int(layout.is_padding.sum()) == 3 and int((~layout.is_padding).sum()) == 37
