from __future__ import annotations

import functools
import threading
from contextlib import contextmanager

import pytest
import torch
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing

from hf_mplm.modeling import masked_only
from hf_mplm.modeling.final_layer import can_narrow, narrowed_final_layer
from hf_mplm.modeling.pooling import capture_layer

from .models import ARCHITECTURES, Architecture, make_batch, without_labels


LIKE_BERT = [architecture for architecture in ARCHITECTURES if architecture.name != "ModernBert"]


@contextmanager
def rows_of_last_layer(model):
    """How many positions each call of the last layer's feed-forward part is given. A hook would itself be seen."""
    seen: list[int] = []
    part = model.base_model.encoder.layer[-1].intermediate
    inner = part.forward

    def count(states):
        seen.append(states.flatten(0, -2).shape[0])
        return inner(states)

    part.forward = count
    yield seen
    del part.forward


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


REASONS = ["hook on the encoder", "hook on the layer", "hook on its output", "backward hook on the layer"]
REASONS += ["in the config", "in the call", "checkpointing", "wrapped for checkpointing", "chunks"]


@pytest.mark.parametrize("reason", REASONS)
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
    elif reason.startswith("wrapped"):
        kind = type(model.base_model.encoder.layer[-1])
        apply_activation_checkpointing(model, check_fn=lambda module: isinstance(module, kind))
    elif "hook" in reason:
        module = model.base_model if "encoder" in reason else model.base_model.encoder.layer[-1]
        module = module.output.dense if "output" in reason else module
        (module.register_full_backward_hook if "backward" in reason else module.register_forward_hook)(
            lambda *called: None
        )
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


def test_compiled_layers_are_left_whole(narrowing: Architecture) -> None:
    """Compiled code does not look whether hooks have come or gone since."""
    model, batch = masked_only(narrowing.stock()), make_batch()
    expected = model(**batch).loss
    for layer in model.base_model.encoder.layer:
        layer.compile(backend="eager")
    try:
        for _ in range(2):
            torch.testing.assert_close(model(**batch).loss, expected)
            assert model(**without_labels(batch)).logits.shape[:2] == (3, 11)
    finally:
        torch.compiler.reset()


def test_asking_for_hidden_states_once_does_not_keep_it_whole(narrowing: Architecture) -> None:
    model, batch = masked_only(narrowing.stock()), make_batch()
    assert model(**batch, output_hidden_states=True).hidden_states[-1].shape == (3, 11, 32)
    with rows_of_last_layer(model) as seen:
        model(**batch)
        assert model(**batch, output_hidden_states=True).hidden_states[-1].shape == (3, 11, 32)
    assert seen == [int((batch["labels"] != -100).sum()), 33]


def test_threads_do_not_meet(narrowing: Architecture) -> None:
    model = masked_only(narrowing.stock()).eval()
    batches = [make_batch(rows=3, length=11), make_batch(rows=5, length=23, seed=1)]
    expected = [model(**batch).loss.item() for batch in batches]
    both_in = threading.Barrier(2)
    first = model.base_model.encoder.layer[0]
    inner = first.forward

    @functools.wraps(inner)
    def wait(*args, **kwargs):
        both_in.wait(timeout=30)
        return inner(*args, **kwargs)

    first.forward = wait
    found: list[float | None] = [None, None]

    def score(index: int) -> None:
        with torch.no_grad():
            found[index] = model(**batches[index]).loss.item()

    threads = [threading.Thread(target=score, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == pytest.approx(expected, rel=1e-6)


def test_labels_of_another_shape_are_refused_all_the_same(architecture: Architecture) -> None:
    batch = make_batch()
    batch["labels"] = batch["labels"][:, :-1]
    with pytest.raises(ValueError, match="do not fit hidden states"):
        masked_only(architecture.stock())(**batch)


def test_hooks_on_all_modules_see_all_positions(narrowing: Architecture) -> None:
    model, batch = masked_only(narrowing.stock()).train(), make_batch()
    assert can_narrow(model.base_model)  # vacuity guard
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        assert not can_narrow(model.base_model)
        with rows_of_last_layer(model) as seen:
            model(**batch).loss.backward()
    finally:
        handle.remove()
    assert seen == [33]
