from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from hf_mplm.modeling.dropout_attention import AttentionCall, DropoutAttention, _draw, attend, left_to_others
from hf_mplm.modeling.stock import masked_only
from tests.fixtures import tiny_xlm_roberta


SHAPE = (2, 3, 7, 4)
HIDES = torch.zeros(2, 1, 7, 7, dtype=torch.bool)
HIDES[0, :, :, 5:] = True
MASKS = {
    "none": None,
    "padding": ~HIDES[:, :, :1],
    "every pair": ~HIDES,
    "added": torch.zeros(HIDES.shape, dtype=torch.float64).masked_fill_(HIDES, -math.inf),
}


def states(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(SHAPE, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(3)]


def call(mask: torch.Tensor | None = None, dropout: float = 0.3, **more: object) -> AttentionCall:
    query, key, value = states()
    return AttentionCall(query, key, value, mask, dropout, **more)  # type: ignore[arg-type]


def by_definition(given: AttentionCall, kept: torch.Tensor) -> torch.Tensor:
    """Softmax of the scaled scores, of which some are dropped, by autograd alone."""
    scores = given.query @ given.key.transpose(2, 3) * (given.scale or given.query.shape[-1] ** -0.5)
    if given.attn_mask is not None:
        hides = ~given.attn_mask if given.attn_mask.dtype == torch.bool else given.attn_mask == -math.inf
        scores = scores.masked_fill(hides, -math.inf)
    share = round((1 - given.dropout_p) * 2**16) / 2**16
    return (scores.softmax(-1) * kept / share) @ given.value


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("scale", [None, 0.7])
def test_output_and_gradients_are_those_of_the_definition(name: str, scale: float | None) -> None:
    given = call(MASKS[name], scale=scale)
    torch.manual_seed(5)
    found = attend(given)
    torch.manual_seed(5)
    kept, _ = _draw(torch.Size((*SHAPE[:3], SHAPE[2])), 0.7)
    wanted = by_definition(given, kept)
    torch.testing.assert_close(found, wanted)
    upstream = torch.randn(SHAPE, dtype=torch.float64)
    for one, other in zip(*(torch.autograd.grad(each, given[:3], upstream) for each in (found, wanted))):
        assert other.abs().max() > 0.1
        torch.testing.assert_close(one, other)
    # Vacuity guard: other scores dropped, another output.
    assert not torch.allclose(attend(given), wanted)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.123456])
def test_what_is_kept_is_drawn_at_its_share_and_independently(share: float) -> None:
    torch.manual_seed(0)
    # No multiple of the four that are drawn together.
    kept, expected = _draw(torch.Size((3, 333, 1001)), share)
    assert abs(expected - share) <= 2**-17
    drawn = kept.flatten().double()
    error = math.sqrt(expected * (1 - expected) / len(drawn))
    assert abs(drawn.mean().item() - expected) < 4 * error
    centred = drawn - expected
    for apart in (1, 2, 3, 4, 1001):
        correlation = (centred[apart:] * centred[:-apart]).mean() / (expected * (1 - expected))
        assert abs(correlation.item()) < 4 / math.sqrt(len(drawn)), apart


def test_the_gradient_is_that_of_finite_differences() -> None:
    def seeded(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(2)
        return attend(AttentionCall(query, key, value, MASKS["padding"], 0.4))

    assert torch.autograd.gradcheck(seeded, tuple(state[:, :1].detach().requires_grad_() for state in states()))


def test_on_average_it_is_attention_without_dropout() -> None:
    given = call(MASKS["padding"])
    mean = torch.stack([attend(given) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, attend(given._replace(dropout_p=0.0)), atol=0.06, rtol=0)


def sizes_kept(function) -> int:
    """Bytes that are kept for the backward pass, each storage once."""
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = function()
    assert output.requires_grad
    return sum(found.values())


def test_a_byte_of_a_score_is_kept() -> None:
    query, key, value = (torch.randn(2, 4, 64, 8, requires_grad=True) for _ in range(3))
    inputs = 3 * query.numel() * 4
    scores = 2 * 4 * 64 * 64
    given = AttentionCall(query, key, value, None, 0.1)
    assert sizes_kept(lambda: attend(given)) == inputs + value.numel() * 4 + scores
    # torch keeps a weight, a random number and a product.
    stock = sizes_kept(lambda: functional.scaled_dot_product_attention(query, key, value, dropout_p=0.1))
    assert stock >= inputs + 12 * scores


def test_calls_that_it_does_not_serve_go_to_torch() -> None:
    nothing = HIDES.clone()
    nothing[1, 0, 3] = True
    learned = torch.zeros(HIDES.shape, dtype=torch.float64, requires_grad=True)
    half = [state.detach().bfloat16() for state in states()]
    others = [
        call(dropout=0.0),
        call(~nothing),
        call(learned),
        call(is_causal=True),
        call()._replace(query=half[0], key=half[1], value=half[2]),
    ]
    for given in others:
        torch.manual_seed(1)
        found = attend(given)
        torch.manual_seed(1)
        query, key, value, mask, dropout, causal, _, _ = given
        wanted = functional.scaled_dot_product_attention(query, key, value, mask, dropout, causal)
        assert torch.equal(found, wanted) and found.isfinite().all()


def outputs_in(model: PreTrainedModel, **inputs: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return model(**inputs).loss


def test_a_training_step_uses_it_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[int, ...]] = []
    inner = attend

    def counted(given: AttentionCall) -> torch.Tensor:
        served.append(tuple(given.query.shape))
        return inner(given)

    monkeypatch.setattr("hf_mplm.modeling.dropout_attention.attend", counted)
    model: PreTrainedModel = tiny_xlm_roberta(50, attention_probs_dropout_prob=0.5)
    assert model.config._attn_implementation == "sdpa"
    model = masked_only(model.train())
    layers = model.config.num_hidden_layers
    ids = torch.randint(5, 50, (2, 6), generator=torch.Generator().manual_seed(0))
    one = outputs_in(model, input_ids=ids, labels=ids)
    assert len(served) == layers and torch.equal(one, outputs_in(model, input_ids=ids, labels=ids))
    with left_to_others():
        outputs_in(model, input_ids=ids, labels=ids)
    assert len(served) == 2 * layers
    monkeypatch.setattr(model.base_model.encoder, "gradient_checkpointing", True, raising=False)
    outputs_in(model, input_ids=ids, labels=ids)
    monkeypatch.undo()
    monkeypatch.setattr("hf_mplm.modeling.dropout_attention.attend", counted)
    model.eval()
    outputs_in(model, input_ids=ids, labels=ids)
    assert len(served) == 2 * layers


def test_other_functions_pass_through() -> None:
    layer = nn.Linear(3, 3)
    states_in = torch.randn(2, 3)
    with DropoutAttention():
        found = layer(states_in)
    assert torch.equal(found, layer(states_in))
