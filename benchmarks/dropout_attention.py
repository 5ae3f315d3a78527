"""Attention with dropout on a CPU, forward and backward: torch's against `hf_mplm.modeling.dropout_attention`.

    python -m benchmarks.dropout_attention --threads 1

Both sides in turn, on the same states; ratios are of the same round, in time of the processor. What is kept is what
autograd saves for the backward pass, each storage once, without the states themselves.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from benchmarks._report import report
from hf_mplm.modeling.dropout_attention import AttentionCall, attend


# Rows, heads, tokens and size of a head: XLM-R base and a small encoder, short texts and long ones.
SHAPES = ((4, 12, 256, 64), (8, 12, 128, 64), (2, 12, 512, 64), (8, 12, 64, 32))


def torch_s(call: AttentionCall) -> torch.Tensor:
    """What would be called otherwise."""
    return functional.scaled_dot_product_attention(call.query, call.key, call.value, dropout_p=call.dropout_p)


def seconds(attention: Callable[[AttentionCall], torch.Tensor], call: AttentionCall, gradient: torch.Tensor) -> float:
    """Time of the processor of one pass forward and back."""
    start = time.process_time()
    attention(call).backward(gradient)
    return time.process_time() - start


def kept(attention: Callable[[AttentionCall], torch.Tensor], call: AttentionCall) -> int:
    """Bytes that are saved for the backward pass beside query, key and value."""
    inputs = {one.untyped_storage().data_ptr() for one in call[:3]}
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in inputs:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        attention(call).sum()
    return sum(found.values())


def main() -> None:
    """Measure each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="rounds, after one that is not counted")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dropout", type=float, default=0.1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows: list[dict[str, object]] = []
    for shape in SHAPES:
        query, key, value = (torch.randn(shape, requires_grad=True) for _ in range(3))
        call, gradient = AttentionCall(query, key, value, None, args.dropout), torch.randn(shape)
        rounds = [[seconds(side, call, gradient) for side in (torch_s, attend)] for _ in range(args.repeats + 1)][1:]
        sizes = [kept(side, call) for side in (torch_s, attend)]
        rows.append(
            {
                "shape": "x".join(map(str, shape)),
                "torch_ms": 1e3 * statistics.median(one for one, _ in rounds),
                "ours_ms": 1e3 * statistics.median(other for _, other in rounds),
                "ratio": statistics.median(one / other for one, other in rounds),
                "torch_kept_mib": sizes[0] / 2**20,
                "ours_kept_mib": sizes[1] / 2**20,
            }
        )
    report("dropout_attention", rows)


if __name__ == "__main__":
    main()
