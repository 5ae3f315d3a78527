from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from hf_mplm.modeling import masked_only
from hf_mplm.modeling.final_layer import can_narrow, narrowed_final_layer
from hf_mplm.modeling.pooling import capture_layer
from tests.modeling.models import ARCHITECTURES, Architecture, make_batch, without_labels


LIKE_BERT = [architecture for architecture in ARCHITECTURES if architecture.name != "ModernBert"]


@contextmanager
def rows_of_last_layer(model):
    """How many positions each call of the last layer's feed-forward part was given."""
    seen: list[int] = []
    layer = model.base_model.encoder.layer[-1].intermediate
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(output.flatten(0, -2).shape[0]))
    yield seen
    handle.remove()


@pytest.fixture(params=LIKE_BERT, ids=[architecture.name for architecture in LIKE_BERT])
def narrowing(request) -> Architecture:
    return request.param


def test_the_last_layer_computes_masked_positions_only(narrowing: Architecture) -> None:
    model, batch = masked_only(narrowing.stock()).train(), make_batch()
    masked = int((batch["labels"] != -100).sum())
    with rows_of_last_layer(model) as seen:
        model(**batch).loss.backward()
        # Vacuity guard: whoever asks for logits gets all of them.
        assert model(**batch, return_logits=True).logits.shape[:2] == batch["input_ids"].shape
        model(**without_labels(batch))
    assert seen == [masked, 33, 33] and masked < 33


def test_narrowed_states_are_those_of_the_whole_layer(narrowing: Architecture) -> None:
    base, batch = masked_only(narrowing.stock()).base_model, without_labels(make_batch())
    positions = torch.tensor([32, 0, 7, 7])
    whole = base(**batch).last_hidden_state.flatten(0, 1)[positions]
    with narrowed_final_layer(base, positions):
        found = base(**batch).last_hidden_state
    assert found.shape == (1, 4, 32)
    torch.testing.assert_close(found[0], whole)
    # What is inside is gone, whatever happens.
    with pytest.raises(RuntimeError), narrowed_final_layer(base, positions):
        raise RuntimeError
    assert base(**batch).last_hidden_state.shape == (3, 11, 32)


@pytest.mark.parametrize(
    "reason", ["hook on the encoder", "hook on the layer", "in the config", "in the call", "checkpointing", "chunks"]
)
def test_it_stays_whole_where_somebody_needs_it(narrowing: Architecture, reason: str) -> None:
    config = {"chunk_size_feed_forward": 11} if reason == "chunks" else {}
    model, batch = masked_only(narrowing.stock(**config)).train(), make_batch()
    expected = masked_only(narrowing.stock())(**batch).loss
    call = {"output_hidden_states": True} if reason == "in the call" else {}
    if reason == "in the config":
        model.config.output_hidden_states = True
    elif reason == "checkpointing":
        # The name that transformers 5 has for it, and the one of 4.57.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    elif reason.startswith("hook"):
        module = model.base_model if "encoder" in reason else model.base_model.encoder.layer[-1]
        module.register_forward_hook(lambda *called: None)
    with rows_of_last_layer(model) as seen:
        output = model(**batch, **call)
        output.loss.backward()
    # The chunks are three of eleven positions; checkpointing computes the layer again.
    assert set(seen) == {33} or reason == "chunks" and sum(seen) == 33
    torch.testing.assert_close(output.loss, expected)
    if "in the" in reason:
        assert output.hidden_states[-1].shape == (3, 11, 32)


def test_the_last_layer_can_be_captured_whole(narrowing: Architecture) -> None:
    model, batch = masked_only(narrowing.stock()), make_batch()
    with capture_layer(model, 2) as states:
        model(**batch)
    torch.testing.assert_close(states[0], model.base_model(**without_labels(batch)).last_hidden_state)


def test_other_layers_are_left_alone(architecture: Architecture) -> None:
    model = masked_only(architecture.stock())
    assert can_narrow(model.base_model) == (architecture.name != "ModernBert")
    if architecture.name == "ModernBert":
        return
    # As `adapters` replaces the class, whose own may look at all positions.
    part = model.base_model.encoder.layer[-1].attention.output
    part.__class__ = type("WithAdapters", (type(part),), {})
    assert not can_narrow(model.base_model)
    model(**make_batch()).loss.backward()


def test_labels_of_another_shape_are_refused_all_the_same(architecture: Architecture) -> None:
    batch = make_batch()
    batch["labels"] = batch["labels"][:, :-1]
    with pytest.raises(ValueError, match="do not fit hidden states"):
        masked_only(architecture.stock())(**batch)
