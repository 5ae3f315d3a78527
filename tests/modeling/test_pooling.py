from __future__ import annotations

import pytest
import torch

from hf_mplm.modeling.pooling import default_layer, encode_to_layer, mean_pool, truncated_encoder

from .models import Architecture, make_batch, without_labels


@pytest.mark.parametrize(("depth", "layer"), [(12, 8), (22, 15), (24, 16), (3, 2), (2, 1), (1, 1)])
def test_the_default_layer_is_two_thirds_of_the_depth(depth: int, layer: int) -> None:
    assert default_layer(depth) == layer


def test_mean_pool_averages_what_the_mask_selects() -> None:
    hidden = torch.arange(24, dtype=torch.float32).view(2, 4, 3)
    pooled = mean_pool(hidden, torch.tensor([[1, 1, 0, 0], [0, 0, 0, 1]]))
    assert torch.equal(pooled, torch.stack([hidden[0, :2].mean(0), hidden[1, 3]]))


def test_mean_pool_is_zero_for_an_empty_row_and_blind_to_what_is_masked() -> None:
    hidden = torch.randn(2, 4, 3, requires_grad=True)
    with torch.no_grad():
        hidden[1, 2:] = float("nan")
    pooled = mean_pool(hidden, torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0]], dtype=torch.bool))
    assert torch.equal(pooled[0], torch.zeros(3)) and pooled.isfinite().all()
    pooled.sum().backward()
    assert hidden.grad.isfinite().all() and not hidden.grad[0].any()


def test_mean_pool_sums_low_precision_in_float32() -> None:
    hidden = torch.full((1, 4096, 1), 0.1, dtype=torch.bfloat16)
    pooled = mean_pool(hidden, torch.ones(1, 4096))
    assert pooled.dtype == torch.bfloat16 and torch.equal(pooled, hidden[:, 0])


def test_mean_pool_refuses_a_mask_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"a mask of shape \(2, 3\) does not fit"):
        mean_pool(torch.zeros(2, 4, 3), torch.ones(2, 3))


@pytest.mark.parametrize("layer", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("with_head", [True, False])
def test_a_layer_is_the_stock_one_bit_for_bit(architecture: Architecture, layer: int, with_head: bool) -> None:
    """At full depth the final-normed states, which transformers 4.57 does not put into ModernBERT's hidden states."""
    model = architecture.stock(num_hidden_layers=4)
    inputs = without_labels(make_batch())
    whole = model.base_model(**inputs, output_hidden_states=True)
    wanted = whole.last_hidden_state if layer == 4 else whole.hidden_states[layer]
    found = encode_to_layer(model if with_head else model.base_model, inputs, layer)
    assert torch.equal(found, wanted)
    again = model.base_model(**inputs).last_hidden_state
    assert torch.equal(again, whole.last_hidden_state)


def test_later_layers_are_not_computed(architecture: Architecture) -> None:
    model = architecture.stock(num_hidden_layers=4)
    layers = model.base_model.layers if architecture.name == "ModernBert" else model.base_model.encoder.layer
    ran: list[int] = []
    for number, layer in enumerate(layers):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    encode_to_layer(model, without_labels(make_batch()), 2)
    assert ran == [0, 1]


def test_everything_is_put_back_after_an_error(architecture: Architecture) -> None:
    model = architecture.stock_encoder(architecture.stock(num_hidden_layers=3).config).eval()
    inputs = without_labels(make_batch())
    before, modules = model(**inputs).last_hidden_state, [name for name, _ in model.named_modules()]
    with pytest.raises(RuntimeError, match="on purpose"):
        with truncated_encoder(model, 1) as encoder:
            assert [name for name, _ in encoder.named_modules()] != modules
            raise RuntimeError("on purpose")
    assert [name for name, _ in model.named_modules()] == modules
    assert torch.equal(model(**inputs).last_hidden_state, before)


@pytest.mark.parametrize("layer", [-1, 5])
def test_a_layer_that_does_not_exist_is_refused(architecture: Architecture, layer: int) -> None:
    with pytest.raises(ValueError, match=f"layer {layer} does not exist: the model has the layers 0"):
        encode_to_layer(architecture.stock(num_hidden_layers=4), without_labels(make_batch()), layer)


def test_an_unknown_layout_is_refused(architecture: Architecture) -> None:
    model = architecture.stock()
    model.base_model.blocks = model.base_model.encoder = None
    model.base_model._modules.pop("layers", None)
    with pytest.raises(ValueError, match="keeps its layers neither in"):
        encode_to_layer(model, without_labels(make_batch()), 1)
