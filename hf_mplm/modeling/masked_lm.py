"""The masked-LM loss at masked positions only, in chunks: the (tokens x vocabulary) logits never exist whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable


__all__ = ["IGNORE_INDEX", "MaskedLMLoss", "linear_cross_entropy", "masked_lm_loss"]

IGNORE_INDEX = -100

# One chunk of fp32 logits. On two CPU cores with a 250,002 x 768 head, 256 MiB (268 positions) costs within 3% of one
# chunk for everything, while 32 MiB loses a third to streaming the weight and its gradient through memory once a
# chunk. On an accelerator launches and the same streaming count for more, and memory for less.
CHUNK_BYTES_CPU = 256 * 2**20
CHUNK_BYTES_ACCELERATOR = 512 * 2**20


class MaskedLMLoss(NamedTuple):
    """What [`masked_lm_loss`] returns.

    Attributes:
        loss (`torch.Tensor`): scalar with a graph, `total / num_items_in_batch`, or the mean where none was given.
        total (`torch.Tensor`): scalar without a graph, the sum of the losses of the masked positions.
        num_masked (`int`): the number of masked positions.
        losses (`torch.Tensor`): the loss of each masked position, in order, without a graph. Shapes: (num_masked,).
    """

    loss: torch.Tensor
    total: torch.Tensor
    num_masked: int
    losses: torch.Tensor


def masked_lm_loss(
    hidden_states: torch.Tensor,
    labels: torch.Tensor,
    transform: Callable[[torch.Tensor], torch.Tensor],
    decoder: nn.Linear,
    *,
    num_items_in_batch: torch.Tensor | int | None = None,
    addend: Callable[[torch.Tensor], torch.Tensor | None] | None = None,
    weight: torch.Tensor | None = None,
    chunk_bytes: int | None = None,
) -> MaskedLMLoss:
    """The masked-LM loss of encoder states; the whole LM head (`transform` and `decoder`) sees masked positions only.

    Args:
        hidden_states (`torch.Tensor`): Shapes: (batch, sequence, hidden).
        labels (`torch.Tensor`): Shapes: (batch, sequence); -100 where nothing is to be predicted.
        transform (`Callable`): the LM head without its decoder, (masked, hidden) to (masked, hidden).
        decoder (`nn.Linear`): the LM head's last layer, (vocabulary, hidden), usually tied to the input embeddings.
        num_items_in_batch (`torch.Tensor` or `int`, *optional*):
            What the sum is divided by: the masked tokens of all micro-batches and ranks of the optimizer step, which
            makes the gradient independent of how the step was cut. Without it, this batch's own count. One number a
            token, Shapes: (batch, sequence), where texts of several kinds are weighted differently.
        addend (`Callable`, *optional*):
            Given the masked positions, indices into the flattened (batch * sequence), what is added to their states
            before the head, Shapes: (masked, hidden); or `None`.
        weight (`torch.Tensor`, *optional*): stands for the decoder's weight in the graph, see
            [`~hf_mplm.modeling.tied_lookup.tied_lookup`]. Shapes: (vocabulary, hidden).
        chunk_bytes (`int`, *optional*): size of one chunk of logits; see [`linear_cross_entropy`].

    Returns:
        [`MaskedLMLoss`]. With no masked position the loss is 0 and still has a graph to every weight.

    Raises:
        ValueError: if the shapes of labels and states disagree, or a label lies outside the vocabulary.
    """
    if labels.shape != hidden_states.shape[:-1]:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} do not fit hidden states of shape {tuple(hidden_states.shape)}; "
            f"give labels of shape {tuple(hidden_states.shape[:-1])}"
        )
    labels = labels.to(hidden_states.device).flatten()
    positions = (labels != IGNORE_INDEX).nonzero().squeeze(-1)
    targets = labels.index_select(0, positions)
    states = hidden_states.flatten(0, -2).index_select(0, positions)
    if addend is not None:
        added = addend(positions)
        if added is not None:
            states = states + added
    num_masked = positions.numel()
    scale: float | torch.Tensor
    if isinstance(num_items_in_batch, torch.Tensor) and num_items_in_batch.dim():
        items = num_items_in_batch.to(hidden_states.device).flatten().index_select(0, positions)
        scale = 1.0 / items.to(torch.promote_types(hidden_states.dtype, torch.float32))
    else:
        scale = 1.0 / max(float(num_masked if num_items_in_batch is None else num_items_in_batch), 1.0)
    weight = decoder.weight if weight is None else weight
    loss, losses = _linear_cross_entropy(
        transform(states), weight, decoder.bias, targets, scale=scale, chunk_bytes=chunk_bytes
    )
    return MaskedLMLoss(loss=loss, total=losses.sum(), num_masked=num_masked, losses=losses)


def linear_cross_entropy(
    states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    *,
    scale: float | torch.Tensor = 1.0,
    chunk_bytes: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`scale` times the summed cross-entropy of `states @ weight.T + bias`, with gradients made in the forward pass.

    Fused linear cross-entropy (Hsu et al. 2024, "Liger Kernel"; Wijmans et al. 2024, "Cut Your Losses in LLMs"):
    the logits of a chunk turn into their own gradient in place, which is multiplied out at once, so that what is kept
    for the backward pass is no larger than the inputs, and nothing is computed twice.

    Args:
        states (`torch.Tensor`): Shapes: (tokens, hidden).
        weight (`torch.Tensor`): Shapes: (vocabulary, hidden).
        bias (`torch.Tensor`, *optional*): Shapes: (vocabulary,).
        targets (`torch.Tensor`): Shapes: (tokens,), each in [0, vocabulary).
        scale (`float` or `torch.Tensor`, *optional*, defaults to 1.0):
            A factor that goes into the gradients as they are made; scaling the result afterwards would cost another
            pass over the (vocabulary, hidden) gradient. As a tensor, one factor a token, Shapes: (tokens,).
        chunk_bytes (`int`, *optional*, defaults to 256 MiB on CPU and 512 MiB elsewhere): one chunk of fp32 logits.

    Returns:
        the scaled sum, with a graph, and the sum without either; both fp32 (fp64 for fp64 inputs) scalars.

    Raises:
        ValueError: if a target lies outside the vocabulary.
    """
    scaled, losses = _linear_cross_entropy(states, weight, bias, targets, scale=scale, chunk_bytes=chunk_bytes)
    return scaled, losses.sum()


def _linear_cross_entropy(
    states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    *,
    scale: float | torch.Tensor,
    chunk_bytes: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The scaled sum, with a graph, and the loss of each token, (tokens,), without."""
    vocabulary = weight.shape[0]
    if targets.numel():
        low, high = (int(bound) for bound in torch.aminmax(targets))
        if low < 0 or high >= vocabulary:
            raise ValueError(
                f"label {low if low < 0 else high} lies outside the vocabulary of {vocabulary}: labels must be "
                f"{IGNORE_INDEX} or in [0, {vocabulary - 1}]; is this the model's tokenizer?"
            )
    if chunk_bytes is None:
        chunk_bytes = CHUNK_BYTES_CPU if states.device.type == "cpu" else CHUNK_BYTES_ACCELERATOR
    chunk = max(1, chunk_bytes // (4 * vocabulary))
    # The dtype of the matrix products, as autocast would have chosen it for nn.Linear.
    device_type = states.device.type
    dtype = torch.get_autocast_dtype(device_type) if torch.is_autocast_enabled(device_type) else weight.dtype
    with torch.autocast(device_type, enabled=False):
        return _LinearCrossEntropy.apply(states, weight, bias, targets, scale, chunk, dtype, torch.is_grad_enabled())


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states, weight, bias, targets, scale, chunk, dtype, grad_enabled):
        tokens, vocabulary = targets.numel(), weight.shape[0]
        need_states, need_weight, need_bias = (grad_enabled and need for need in ctx.needs_input_grad[:3])
        need_any = need_states or need_weight or need_bias
        precise = torch.promote_types(dtype, torch.float32)
        # fp16 holds nothing below 6e-8, and a softmax over a large vocabulary is full of such entries.
        gradient_dtype = torch.float32 if dtype == torch.float16 else dtype
        cast_states, cast_weight = states.to(dtype), weight.to(dtype)
        gradient_states_in = cast_states.to(gradient_dtype)
        gradient_weight_in = cast_weight.to(gradient_dtype) if need_states else cast_weight
        cast_bias = None if bias is None else bias.to(dtype)

        losses = torch.empty(tokens, dtype=precise, device=states.device)
        grad_states = torch.zeros_like(states) if need_states else None
        # A sum of several low-precision chunks would lose what a single product does not.
        accumulate_dtype = weight.dtype if tokens <= chunk else torch.promote_types(weight.dtype, torch.float32)
        grad_weight = torch.empty_like(weight, dtype=accumulate_dtype) if need_weight else None
        grad_bias = torch.zeros_like(bias, dtype=precise) if need_bias else None
        if grad_weight is not None and tokens == 0:
            grad_weight.zero_()

        buffer = torch.empty((min(chunk, tokens), vocabulary), dtype=dtype, device=states.device)
        for start in range(0, tokens, chunk):
            rows = slice(start, min(start + chunk, tokens))
            target = targets[rows].unsqueeze(-1)
            logits = buffer[: target.shape[0]]
            if cast_bias is None:
                torch.mm(cast_states[rows], cast_weight.t(), out=logits)
            else:
                torch.addmm(cast_bias, cast_states[rows], cast_weight.t(), out=logits)
            losses[rows], grad = _softmax_and_loss(logits, target, precise, need_any)
            if grad is None:
                continue
            grad.scatter_add_(-1, target, grad.new_full(target.shape, -1.0))
            if isinstance(scale, torch.Tensor):
                grad.mul_(scale[rows].to(grad.dtype).unsqueeze(-1))
            elif scale != 1.0:
                grad.mul_(scale)
            if grad_bias is not None:
                grad_bias += grad.sum(0)
            grad = grad.to(gradient_dtype)
            if grad_states is not None:
                grad_states[rows] = grad @ gradient_weight_in
            if grad_weight is not None:
                _accumulate(grad_weight, grad, gradient_states_in[rows], first=start == 0)

        ctx.save_for_backward(
            grad_states,
            None if grad_weight is None else grad_weight.to(weight.dtype),
            None if grad_bias is None else grad_bias.to(bias.dtype),
        )
        ctx.mark_non_differentiable(losses)
        total = (losses * scale).sum() if isinstance(scale, torch.Tensor) else losses.sum() * scale
        return total, losses

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output, _):
        grads = ctx.saved_tensors
        # Usually 1: the normaliser went in as `scale`. Reading it on an accelerator would stall the stream.
        if grad_output.device.type != "cpu" or grad_output.item() != 1.0:
            grads = tuple(None if grad is None else grad.mul_(grad_output.to(grad.dtype)) for grad in grads)
        return (*grads, None, None, None, None, None)


def _softmax_and_loss(
    logits: torch.Tensor, target: torch.Tensor, precise: torch.dtype, need_grad: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The losses (rows,) and the softmax (rows, vocabulary) of logits, which are overwritten where that is possible.

    The largest logit is taken off first, so that the loss is as exact as log-softmax also where logits are large. Its
    own probability is 1 / sum(exp(logits - largest)), which gives the logarithm of the sum without another pass.
    """
    largest, where = logits.max(-1, keepdim=True)
    shifted = logits.gather(-1, target).to(precise) - largest.to(precise)
    if not need_grad:
        log_sum = torch.logsumexp(logits.to(precise).sub_(largest), -1)
        return log_sum - shifted.squeeze(-1), None
    if logits.dtype == precise and logits.device.type == "cpu":
        softmax = torch.softmax(logits, -1, out=logits)
    else:
        softmax = torch.softmax(logits, -1, dtype=precise)
    return -softmax.gather(-1, where).log().squeeze(-1) - shifted.squeeze(-1), softmax


def _accumulate(total: torch.Tensor, grad: torch.Tensor, states: torch.Tensor, first: bool) -> None:
    """Add `grad.T @ states` to `total`, (vocabulary, hidden), whose contents are undefined before the first time."""
    if total.dtype == grad.dtype:
        total.addmm_(grad.t(), states, beta=0 if first else 1)
        return
    # Products of another dtype go by slices of the vocabulary, so that no second (vocabulary, hidden) buffer appears.
    for part, columns in zip(total.split(32768), grad.split(32768, dim=-1)):
        product = columns.t() @ states
        part.copy_(product) if first else part.add_(product)
