from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hf_mplm.losses import DistillationLoss, distillation_loss


POSITIONS, HIDDEN, OLD, NEW = 7, 5, 11, 15


@pytest.fixture
def heads() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "states": (POSITIONS, HIDDEN),
        "weight": (NEW, HIDDEN),
        "bias": (NEW,),
        "teacher_states": (POSITIONS, 3),
        "teacher_weight": (OLD, 3),
        "teacher_bias": (OLD,),
    }
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_(not name.startswith("t"))
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_it_is_the_divergence_over_the_old_vocabulary(heads: dict[str, torch.Tensor], temperature: float) -> None:
    """Against the sum over positions and tokens, written out, in probabilities."""
    found = distillation_loss(**heads, temperature=temperature)
    logits = (heads["states"] @ heads["weight"].T + heads["bias"])[:, :OLD] / temperature
    wanted = (heads["teacher_states"] @ heads["teacher_weight"].T + heads["teacher_bias"]) / temperature
    p = wanted.exp() / wanted.exp().sum(1, keepdim=True)
    q = logits.exp() / logits.exp().sum(1, keepdim=True)
    torch.testing.assert_close(found, (p * (p / q).log()).sum() * temperature**2)


def test_gradients_are_those_of_differences(heads: dict[str, torch.Tensor]) -> None:
    names = ("states", "weight", "bias")
    rest = {name: value for name, value in heads.items() if name not in names}
    # A chunk of two positions: what is computed again has to be the same.
    assert torch.autograd.gradcheck(
        lambda *leaves: distillation_loss(**dict(zip(names, leaves)), **rest, chunk_bytes=8 * OLD),
        tuple(heads[name] for name in names),
    )


def test_gradient_is_that_of_the_cross_entropy_with_the_teacher(heads: dict[str, torch.Tensor]) -> None:
    """Li & Hoiem's equation 3 and the divergence differ by a constant."""
    (of_loss,) = torch.autograd.grad(distillation_loss(**heads), heads["states"])
    logits = (heads["states"] @ heads["weight"].T + heads["bias"])[:, :OLD]
    wanted = (heads["teacher_states"] @ heads["teacher_weight"].T + heads["teacher_bias"]).softmax(-1)
    (of_entropy,) = torch.autograd.grad(functional.cross_entropy(logits, wanted, reduction="sum"), heads["states"])
    torch.testing.assert_close(of_loss, of_entropy)


def test_chunks_change_nothing_and_new_tokens_get_no_gradient(heads: dict[str, torch.Tensor]) -> None:
    whole = distillation_loss(**heads)
    for rows in (1, 3):
        torch.testing.assert_close(distillation_loss(**heads, chunk_bytes=4 * OLD * rows), whole)
    whole.backward()
    assert not heads["weight"].grad[OLD:].any() and not heads["bias"].grad[OLD:].any()
    assert heads["weight"].grad[:OLD].abs().min() > 0


def test_a_model_that_forgot_nothing_has_no_loss_and_no_gradient() -> None:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(4, HIDDEN, generator=generator).requires_grad_()
    decoder = torch.nn.Linear(HIDDEN, OLD)
    loss = DistillationLoss()(states, decoder, states, decoder.weight, decoder.bias)
    loss.backward()
    assert abs(float(loss.detach())) < 1e-5 and float(states.grad.abs().max()) < 1e-5
    moved = DistillationLoss()(states + 0.5, decoder, states, decoder.weight, decoder.bias)
    assert float(moved.detach()) > 1e-2  # vacuity guard


def test_no_position_is_zero_with_a_graph(heads: dict[str, torch.Tensor]) -> None:
    empty = {name: value[:0] if name.endswith("states") else value for name, value in heads.items()}
    loss = distillation_loss(**empty)
    loss.backward()
    assert float(loss.detach()) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"states": torch.zeros(2, HIDDEN)}, "positions"),
        ({"weight": torch.zeros(OLD - 1, HIDDEN)}, "vocabular"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_what_does_not_fit_is_refused(heads: dict[str, torch.Tensor], change: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distillation_loss(**{**heads, **change})
