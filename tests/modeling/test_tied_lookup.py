from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hf_mplm.modeling import masked_only
from hf_mplm.modeling.tied_lookup import tied_lookup

from .models import VOCABULARY, Architecture, make_batch


class Operations(TorchDispatchMode):
    """The names of all operations inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def operations_of(model, batch) -> list[str]:
    """Of a forward and a backward pass."""
    with Operations() as seen:
        model(**batch).loss.backward()
    return seen.names


def test_no_second_gradient_of_the_weight_is_made(architecture: Architecture) -> None:
    batch = make_batch()
    # Vacuity guard: the stock model makes it.
    assert any("embedding_dense_backward" in name for name in operations_of(architecture.stock(), batch))
    model = masked_only(architecture.stock())
    weight = model.get_input_embeddings().weight
    model(**batch)
    with Operations() as seen:
        model(**batch).loss.backward()
    of_words = [name for name in seen.names if "embedding_dense_backward" in name]
    # Positions and token types have tables of their own.
    assert len(of_words) == (0 if architecture.name == "ModernBert" else 2)
    assert weight.grad is not None


def tied_pair(padding_idx: int | None = 1) -> tuple[nn.Embedding, nn.Linear]:
    torch.manual_seed(0)
    embeddings, decoder = nn.Embedding(20, 4, padding_idx=padding_idx), nn.Linear(4, 20)
    decoder.weight = embeddings.weight
    return embeddings, decoder


IDS = torch.tensor([[3, 1, 3, 7], [5, 19, 3, 1]])


@pytest.mark.parametrize("padding_idx", [1, None])
def test_the_gradient_is_autograds_own(padding_idx: int | None) -> None:
    """Repeated ids add up, the padding row gets nothing from the look-up, and two look-ups with two losses add up."""
    embeddings, decoder = tied_pair(padding_idx)
    decoder(embeddings(IDS)).pow(2).sum().backward()
    wanted = embeddings.weight.grad.clone()
    embeddings.weight.grad = None
    with tied_lookup(embeddings, decoder) as weights:
        rows = embeddings(IDS)
    nn.functional.linear(rows, weights[-1], decoder.bias).pow(2).sum().backward()
    torch.testing.assert_close(embeddings.weight.grad, wanted)
    embeddings.weight.grad = None
    losses = []
    for _ in range(2):
        with tied_lookup(embeddings, decoder) as weights:
            rows = embeddings(IDS)
        losses.append(nn.functional.linear(rows, weights[-1], decoder.bias).pow(2).sum())
    (losses[0] + losses[1]).backward()
    torch.testing.assert_close(embeddings.weight.grad, 2 * wanted)


def test_neither_path_is_lost_where_the_other_is_cut() -> None:
    embeddings, decoder = tied_pair()
    for cut in ("look-up", "decoder"):
        embeddings.weight.grad = None
        with tied_lookup(embeddings, decoder) as weights:
            rows = embeddings(IDS)
        if cut == "look-up":
            found = nn.functional.linear(rows.detach(), weights[-1]).pow(2).sum()
            wanted = nn.functional.linear(embeddings(IDS).detach(), embeddings.weight).pow(2).sum()
        else:
            found, wanted = rows.pow(2).sum(), embeddings(IDS).pow(2).sum()
        (expected,) = torch.autograd.grad(wanted, embeddings.weight)
        found.backward()
        assert expected.any()
        torch.testing.assert_close(embeddings.weight.grad, expected)


@pytest.mark.parametrize("case", ["untied", "frozen", "no_grad", "sparse", "subclass"])
def test_nothing_changes_where_there_is_nothing_to_share(case: str) -> None:
    embeddings, decoder = tied_pair()
    if case == "untied":
        decoder.weight = nn.Parameter(decoder.weight.detach().clone())
    elif case == "frozen":
        embeddings.weight.requires_grad_(False)
    elif case == "sparse":
        embeddings.sparse = True
    elif case == "subclass":
        embeddings.__class__ = type("Wrapped", (nn.Embedding,), {})
    with torch.set_grad_enabled(case != "no_grad"), tied_lookup(embeddings, decoder) as weights:
        embeddings(IDS)
    assert weights == []


def test_the_hook_leaves_with_the_context() -> None:
    embeddings, decoder = tied_pair()
    with pytest.raises(RuntimeError, match="on purpose"):
        with tied_lookup(embeddings, decoder):
            assert embeddings._forward_hooks
            raise RuntimeError("on purpose")
    assert not embeddings._forward_hooks


def test_an_untied_model_trains_both_weights(architecture: Architecture) -> None:
    model = masked_only(architecture.stock(tie_word_embeddings=False))
    embeddings, decoder = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert embeddings is not decoder and decoder.shape == (VOCABULARY, 32)
    model(**make_batch()).loss.backward()
    assert embeddings.grad.any() and decoder.grad.any()


def test_a_frozen_encoder_between_leaves_the_heads_gradient(architecture: Architecture) -> None:
    """A hook that cuts the graph after the encoder, as people do who train a head alone."""
    batch = make_batch()
    stock = architecture.stock()
    hidden = stock.base_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    model = masked_only(stock)

    def cut(module, inputs, output):
        output["last_hidden_state"] = output["last_hidden_state"].detach()
        return output

    handle = model.base_model.register_forward_hook(cut)
    model(**batch).loss.backward()
    handle.remove()
    logits = model.get_output_embeddings()(model._transform(hidden.detach()))
    wanted = nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
    weight = model.get_input_embeddings().weight
    (expected,) = torch.autograd.grad(wanted, weight)
    torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-7)


def test_a_hook_on_the_embeddings_sees_and_changes_what_is_looked_up(architecture: Architecture) -> None:
    """In training too, where rows are otherwise looked up past the module."""
    model, batch = masked_only(architecture.stock()).eval(), make_batch()
    embeddings = model.get_input_embeddings()
    plain = model(**batch).loss
    seen = []

    def tilt(module, inputs, output):
        seen.append(output.detach())
        return output + torch.linspace(0, 1, output.shape[-1])

    with torch.no_grad():
        embeddings.register_forward_hook(tilt)
        expected = model(**batch).loss
    found = model(**batch).loss
    found.backward()
    assert torch.allclose(found, expected) and not torch.allclose(found, plain)
    assert len(seen) == 2 and torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(
    "listen",
    [
        lambda module: module.register_forward_hook(lambda *_: None),
        lambda module: module.register_forward_pre_hook(lambda *_: None),
        lambda module: module.register_full_backward_hook(lambda *_: None),
        lambda module: module.register_full_backward_pre_hook(lambda *_: None),
        lambda module: nn.modules.module.register_module_forward_hook(lambda *_: None),
        lambda module: nn.modules.module.register_module_forward_pre_hook(lambda *_: None),
        lambda module: nn.modules.module.register_module_full_backward_hook(lambda *_: None),
        lambda module: setattr(module, "forward", module.forward),
    ],
)
def test_it_stands_aside_whoever_listens(listen) -> None:
    embeddings, decoder = tied_pair()
    with tied_lookup(embeddings, decoder) as weights:
        embeddings(IDS)
    assert len(weights) == 1  # vacuity guard
    handle = listen(embeddings)
    try:
        with tied_lookup(embeddings, decoder) as weights:
            embeddings(IDS)
    finally:
        if handle is not None:
            handle.remove()
    assert not weights
