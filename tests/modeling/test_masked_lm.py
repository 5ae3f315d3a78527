from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from hf_mplm.modeling import masked_lm
from hf_mplm.modeling.masked_lm import linear_cross_entropy, masked_lm_loss


Tensors = tuple[torch.Tensor, ...]


def problem(tokens: int = 50, vocabulary: int = 301, width: int = 16, spread: float = 0.3, seed: int = 0) -> Tensors:
    """States, weight, bias (leaves that require gradients) and targets."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(tokens, width, generator=generator).requires_grad_()
    weight = (torch.randn(vocabulary, width, generator=generator) * spread).requires_grad_()
    bias = torch.randn(vocabulary, generator=generator).requires_grad_()
    targets = torch.randint(0, vocabulary, (tokens,), generator=generator)
    return states, weight, bias, targets


def reference(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The stock loss: whole logits, mean cross-entropy."""
    return functional.cross_entropy(functional.linear(states, weight, bias), targets)


def gradients(loss_of: Callable[..., torch.Tensor], inputs: Tensors) -> tuple[torch.Tensor, Tensors]:
    """The loss and its gradients with respect to the three leaves."""
    *leaves, targets = inputs
    loss = loss_of(*leaves, targets)
    return loss.detach(), torch.autograd.grad(loss, leaves)


def ours(chunk_rows: int) -> Callable[..., torch.Tensor]:
    """Mean cross-entropy with that many positions in a chunk."""

    def loss_of(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        chunk_bytes = 4 * weight.shape[0] * chunk_rows
        scale = 1 / targets.numel()
        return linear_cross_entropy(states, weight, bias, targets, scale=scale, chunk_bytes=chunk_bytes)[0]

    return loss_of


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Largest difference, relative to the largest entry."""
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


@pytest.mark.parametrize("chunk_rows", [1, 7, 50, 1000])
def test_it_is_the_stock_loss(chunk_rows: int) -> None:
    inputs = problem()
    wanted, wanted_gradients = gradients(reference, inputs)
    found, found_gradients = gradients(ours(chunk_rows), inputs)
    assert abs(found - wanted) <= 1e-6 * abs(wanted)
    for one, other in zip(found_gradients, wanted_gradients):
        assert error(one, other) <= 1e-5


def test_it_is_exact_in_float64() -> None:
    """gradcheck would call backward with a retained graph; the stock loss in float64 is as good a witness."""
    inputs = tuple(t.detach().double().requires_grad_() if t.is_floating_point() else t for t in problem())
    wanted, wanted_gradients = gradients(reference, inputs)
    found, found_gradients = gradients(ours(7), inputs)
    assert abs(found - wanted) <= 1e-14 * abs(wanted)
    assert all(error(one, other) <= 1e-13 for one, other in zip(found_gradients, wanted_gradients))


@pytest.mark.parametrize("chunk_rows", [16, 1000])
def test_it_is_as_close_to_float64_as_the_stock_loss_where_logits_are_large(chunk_rows: int) -> None:
    """Over many draws, since the error of one is the luck of a rounding; logits of some hundreds in size."""
    errors: dict[str, list[torch.Tensor]] = {"stock": [], "ours": []}
    for seed in range(30):
        inputs = problem(vocabulary=1000, spread=30.0, seed=seed)
        double = tuple(t.detach().double().requires_grad_() if t.is_floating_point() else t for t in inputs)
        loss, grads = gradients(reference, double)
        assert functional.linear(*inputs[:3]).abs().max() > 200
        for side, loss_of in (("stock", reference), ("ours", ours(chunk_rows))):
            found, found_grads = gradients(loss_of, inputs)
            relative = [abs(found.double() - loss) / abs(loss)]
            relative += [torch.tensor(error(one.double(), other)) for one, other in zip(found_grads, grads)]
            errors[side].append(torch.stack([value.double() for value in relative]))
    stock, mine = (torch.stack(errors[side]).mean(0) for side in ("stock", "ours"))
    assert (mine <= 1.1 * stock + 1e-9).all(), (mine, stock)


def test_taking_the_largest_logit_off_first_is_what_keeps_large_logits_exact() -> None:
    """Vacuity guard: log-sum-exp minus the target's logit, without it, is far off for logits around 10,000."""
    states, weight, bias, targets = problem(vocabulary=1000)
    logits = functional.linear(states, weight, bias).detach() + 1e4
    exact = functional.cross_entropy(logits.double(), targets, reduction="none")
    naive = torch.logsumexp(logits, -1) - logits.gather(-1, targets[:, None]).squeeze(-1)
    losses, _ = masked_lm._softmax_and_loss(logits.clone(), targets[:, None], torch.float32, True)
    without, _ = masked_lm._softmax_and_loss(logits.clone(), targets[:, None], torch.float32, False)
    assert error(losses.double(), exact) < 1e-6 and error(without.double(), exact) < 1e-6
    assert error(naive.double(), exact) > 1e-5


@pytest.mark.parametrize("spread", [0.3, 30.0])
def test_the_loss_is_the_same_without_gradients(spread: float) -> None:
    inputs = problem(spread=spread)
    with torch.no_grad():
        without, total = linear_cross_entropy(*inputs[:3], inputs[3], scale=0.5)
    wanted, _ = linear_cross_entropy(*inputs[:3], inputs[3], scale=0.5)
    torch.testing.assert_close(without, wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(total, 2 * without, rtol=1e-6, atol=0)
    assert not without.requires_grad and wanted.requires_grad


def test_no_gradient_is_computed_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    states, weight, bias, targets = problem()
    calls: list[bool] = []
    monkeypatch.setattr(masked_lm, "_accumulate", lambda *args, **kwargs: calls.append(True))
    with torch.no_grad():
        linear_cross_entropy(states, weight, bias, targets)
    linear_cross_entropy(states, weight.detach(), bias, targets)
    assert not calls
    linear_cross_entropy(states, weight, bias, targets)
    assert calls  # vacuity guard: with a weight that wants a gradient it is called


@pytest.mark.parametrize("frozen", ["states", "weight", "bias"])
def test_a_frozen_input_gets_no_gradient_and_the_others_theirs(frozen: str) -> None:
    states, weight, bias, targets = problem()
    wanted = gradients(reference, (states, weight, bias, targets))[1]
    leaves = {"states": states, "weight": weight, "bias": bias}
    leaves[frozen] = leaves[frozen].detach()
    loss, _ = linear_cross_entropy(*leaves.values(), targets, scale=1 / 50)
    loss.backward()
    for (name, leaf), expected in zip(leaves.items(), wanted):
        if name == frozen:
            assert leaf.grad is None
        else:
            assert error(leaf.grad, expected) <= 1e-5


def test_without_a_bias() -> None:
    states, weight, _, targets = problem()
    loss, _ = linear_cross_entropy(states, weight, None, targets, scale=1 / 50)
    wanted = functional.cross_entropy(functional.linear(states, weight), targets)
    torch.testing.assert_close(loss, wanted, rtol=1e-6, atol=0)
    found = torch.autograd.grad(loss, (states, weight))
    for one, other in zip(found, torch.autograd.grad(wanted, (states, weight))):
        assert error(one, other) <= 1e-5


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_a_factor_on_the_loss_is_a_factor_on_the_gradients(factor: float) -> None:
    """GradScaler and Trainer under DDP multiply the loss."""
    inputs = problem()
    wanted = [factor * grad for grad in gradients(reference, inputs)[1]]
    found = gradients(lambda *tensors: factor * ours(7)(*tensors), inputs)[1]
    assert all(error(one, other) <= 1e-5 for one, other in zip(found, wanted))


def test_two_losses_of_one_weight_add_up() -> None:
    states, weight, bias, targets = problem()
    once = gradients(ours(7), (states, weight, bias, targets))[1]

    def twice(*tensors: torch.Tensor) -> torch.Tensor:
        return ours(7)(*tensors) + ours(7)(*tensors)

    found = gradients(twice, (states, weight, bias, targets))[1]
    assert all(error(one, 2 * other) <= 1e-6 for one, other in zip(found, once))


def test_a_second_backward_is_refused_rather_than_wrong() -> None:
    states, weight, bias, targets = problem()
    loss = 3 * ours(7)(states, weight, bias, targets)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("chunk_rows", [7, 1000])
def test_autocast_takes_the_products_in_low_precision_and_the_softmax_in_fp32(
    dtype: torch.dtype, chunk_rows: int
) -> None:
    inputs = problem()
    with torch.autocast("cpu", dtype=dtype):
        found, found_gradients = gradients(ours(chunk_rows), inputs)
    assert found.dtype == torch.float32
    wanted, wanted_gradients = gradients(reference, inputs)
    # Vacuity guard: the products were really taken in low precision.
    assert not torch.equal(found, wanted)
    torch.testing.assert_close(found, wanted, rtol=2e-2, atol=0)
    for one, other in zip(found_gradients, wanted_gradients):
        assert one.dtype == torch.float32
        assert error(one, other) <= 2e-2


def test_fp16_gradients_keep_what_fp16_cannot_hold() -> None:
    """Probabilities of 1e-5 over a thousand tokens are below the smallest fp16 number, and the sum of them is not."""
    states, weight, bias, targets = problem(tokens=64, vocabulary=20000, spread=0.0)
    with torch.autocast("cpu", dtype=torch.float16):
        loss, _ = linear_cross_entropy(states, weight, bias * 0, targets, scale=1e-4)
    (found,) = torch.autograd.grad(loss, weight)
    untouched = torch.ones(20000, dtype=torch.bool)
    untouched[targets] = False
    assert torch.tensor(1e-4 / 20000).half() == 0  # vacuity guard
    wanted = 1e-4 / 20000 * states.detach().sum(0)
    assert error(found[untouched].mean(0), wanted) <= 1e-2


def test_a_low_precision_model_gets_gradients_of_its_own_dtype() -> None:
    states, weight, bias, targets = problem()
    low = tuple(t.detach().bfloat16().requires_grad_() for t in (states, weight, bias))
    found, found_gradients = gradients(ours(7), (*low, targets))
    _, wanted_gradients = gradients(reference, (states, weight, bias, targets))
    assert found.dtype == torch.float32
    for one, other in zip(found_gradients, wanted_gradients):
        assert one.dtype == torch.bfloat16
        assert error(one.float(), other) <= 3e-2


@pytest.mark.parametrize(("label", "named"), [(301, "301"), (-1, "-1"), (-101, "-101")])
def test_a_label_outside_the_vocabulary_is_named(label: int, named: str) -> None:
    states, weight, bias, targets = problem()
    targets[3] = label
    with pytest.raises(ValueError, match=f"label {named} lies outside the vocabulary of 301"):
        linear_cross_entropy(states, weight, bias, targets)


class Head(nn.Module):
    """A transform and a decoder, over states of (batch, sequence, width)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.transform = nn.Sequential(nn.Linear(16, 16), nn.GELU(), nn.LayerNorm(16))
        self.decoder = nn.Linear(16, 301)


def masked_problem() -> tuple[Head, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(4, 9, 16, generator=generator, requires_grad=True)
    labels = torch.randint(0, 301, (4, 9), generator=generator)
    labels[torch.rand((4, 9), generator=generator) < 0.7] = -100
    labels[2] = -100
    return Head(), hidden, labels


def test_masked_positions_alone_give_the_loss_of_all_positions() -> None:
    head, hidden, labels = masked_problem()
    parameters = (hidden, *head.parameters())
    result = masked_lm_loss(hidden, labels, head.transform, head.decoder, chunk_bytes=301 * 4 * 3)
    wanted = functional.cross_entropy(head.decoder(head.transform(hidden)).flatten(0, 1), labels.flatten())
    assert 0 < result.num_masked == int((labels != -100).sum()) < labels.numel()
    torch.testing.assert_close(result.loss, wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(result.total, wanted.detach() * result.num_masked, rtol=1e-6, atol=0)
    found, expected = torch.autograd.grad(result.loss, parameters), torch.autograd.grad(wanted, parameters)
    assert all(error(one, other) <= 1e-5 for one, other in zip(found, expected))


@pytest.mark.parametrize("items", [40, torch.tensor(40)])
def test_the_sum_is_divided_by_the_number_that_is_given(items: int | torch.Tensor) -> None:
    head, hidden, labels = masked_problem()
    result = masked_lm_loss(hidden, labels, head.transform, head.decoder, num_items_in_batch=items)
    assert result.num_masked != 40
    torch.testing.assert_close(result.loss.detach(), result.total / 40)


@pytest.mark.parametrize("items", [None, 0, 12])
def test_no_masked_position_is_a_loss_of_zero_with_a_graph_to_everything(items: int | None) -> None:
    head, hidden, labels = masked_problem()
    result = masked_lm_loss(
        hidden, torch.full_like(labels, -100), head.transform, head.decoder, num_items_in_batch=items
    )
    assert result.loss.item() == 0 and result.num_masked == 0
    result.loss.backward()
    for tensor in (hidden, *head.parameters()):
        assert tensor.grad is not None and torch.equal(tensor.grad, torch.zeros_like(tensor))


def test_an_empty_batch_is_a_loss_of_zero() -> None:
    head, hidden, labels = masked_problem()
    assert masked_lm_loss(hidden[:0], labels[:0], head.transform, head.decoder).loss.item() == 0


def test_labels_of_another_shape_are_refused() -> None:
    head, hidden, labels = masked_problem()
    with pytest.raises(ValueError, match=r"labels of shape \(4, 8\) do not fit"):
        masked_lm_loss(hidden, labels[:, :8], head.transform, head.decoder)


def test_the_addend_stands_at_the_masked_positions() -> None:
    head, hidden, labels = masked_problem()
    every = torch.randn_like(hidden)
    result = masked_lm_loss(
        hidden, labels, head.transform, head.decoder, addend=lambda positions: every.flatten(0, 1)[positions]
    )
    wanted = masked_lm_loss(hidden + every, labels, head.transform, head.decoder)
    assert torch.equal(result.loss, wanted.loss)
    assert not torch.equal(result.loss, masked_lm_loss(hidden, labels, head.transform, head.decoder).loss)


def test_the_whole_logits_never_exist() -> None:
    """No tensor with the tokens x vocabulary elements of the whole logits is made by anybody, forward or backward."""

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(tensor, torch.Tensor):
                    self.elements = max(self.elements, tensor.numel())
            return out

    inputs = problem(tokens=200, vocabulary=400)
    with Largest() as stock:
        reference(*inputs).backward()
    with Largest() as chunked:
        ours(8)(*inputs).backward()
    assert stock.elements == 200 * 400
    assert chunked.elements == 400 * 16  # the weight's gradient


def test_nothing_is_kept_after_the_backward_pass() -> None:
    states, weight, bias, targets = problem()
    loss = ours(7)(states, weight, bias, targets)
    node = loss.grad_fn.next_functions[0][0] if not hasattr(loss.grad_fn, "saved_tensors") else loss.grad_fn
    assert [saved.shape for saved in node.saved_tensors] == [states.shape, weight.shape, bias.shape]
    loss.backward()
    with pytest.raises(RuntimeError, match="after they have already been freed"):
        _ = node.saved_tensors
