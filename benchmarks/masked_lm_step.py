"""A training step of a masked language model: stock `AutoModelForMaskedLM` against the loss at masked positions only.

    python -m benchmarks.masked_lm_step                      # XLM-R base, both vocabularies, 4x256 and 8x512
    python -m benchmarks.masked_lm_step --vocab 6000 --shape 4x64 --layers 2 --repeats 5

Both sides share one set of weights and are timed in turn, step by step, on the batches that
`DataCollatorForLanguageModeling` makes; ratios are of the same round. Memory is the peak of a process of its own for
each side, beyond parameters, gradients and optimizer state.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedModel, XLMRobertaConfig, XLMRobertaForMaskedLM

from benchmarks._report import report
from hf_mplm.modeling.stock import masked_only


ROOT = Path(__file__).resolve().parents[1]
SIDES = ("stock", "ours")
# Dense bf16 peak of the accelerators that this was run on, FLOP/s; others print no utilisation.
PEAK_FLOPS = {"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12, "NVIDIA A100-SXM4-80GB": 312e12}


class _Tokenizer:
    """What the collator asks of a tokenizer, without a vocabulary of real words."""

    pad_token_id, mask_token_id = 1, 3
    mask_token = "<mask>"

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def __len__(self) -> int:
        return self.vocab_size

    def convert_tokens_to_ids(self, token: str) -> int:
        return self.mask_token_id

    def get_special_tokens_mask(self, ids: Sequence[int], already_has_special_tokens: bool = True) -> list[int]:
        return [int(token <= self.mask_token_id) for token in ids]


def build(args: argparse.Namespace, vocab: int) -> PreTrainedModel:
    """XLM-R base, or a shallower one."""
    config = XLMRobertaConfig(
        vocab_size=vocab,
        num_hidden_layers=args.layers,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=args.dropout,
        attention_probs_dropout_prob=args.dropout,
    )
    torch.manual_seed(0)
    return XLMRobertaForMaskedLM(config).to(args.device).train()  # type: ignore[arg-type]


def batch_of(vocab: int, rows: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """Random ids with 15% masked as the stock collator does it."""
    tokenizer = _Tokenizer(vocab)
    collator = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.15)  # type: ignore[arg-type]
    ids = torch.randint(4, vocab, (rows, length))
    special = torch.zeros_like(ids)
    inputs, labels = collator.torch_mask_tokens(ids, special_tokens_mask=special)
    return {name: value.to(device) for name, value in (("input_ids", inputs), ("labels", labels))}


def step_of(model: PreTrainedModel, optimizer: torch.optim.Optimizer | None, device: str) -> Callable[[dict], None]:
    """Forward and backward, and the optimizer's step where there is an optimizer; bf16 on an accelerator."""

    def step(batch: dict[str, torch.Tensor]) -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
            loss = model(**batch)["loss"]
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        model.zero_grad(set_to_none=True)

    return step


def time_step(step: Callable[[dict], None], batch: dict[str, torch.Tensor], device: str) -> float:
    """Seconds of one step."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step(batch)
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def timed(args: argparse.Namespace, vocab: int, rows: int, length: int, with_optimizer: bool) -> dict[str, object]:
    """Median tokens/s of both sides and the median of the rounds' ratios."""
    stock = build(args, vocab)
    ours = masked_only(copy.copy(stock))
    optimizer = torch.optim.AdamW(stock.parameters(), fused=True) if with_optimizer else None
    steps = {"stock": step_of(stock, optimizer, args.device), "ours": step_of(ours, optimizer, args.device)}
    sides = [side for side in SIDES if side not in args.without]
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    torch.manual_seed(1)
    for round_number in range(args.repeats + 1):
        batch = batch_of(vocab, rows, length, args.device)
        for side in sides:
            elapsed = time_step(steps[side], batch, args.device)
            if round_number:
                seconds[side].append(elapsed)
    row: dict[str, object] = {
        "vocab": vocab,
        "batch": f"{rows}x{length}",
        "step": "with optimizer" if with_optimizer else "forward+backward",
    }
    for side in SIDES:
        row[f"{side}_tokens_per_s"] = rows * length / statistics.median(seconds[side]) if side in sides else "-"
    both = len(sides) == 2
    row["speedup"] = statistics.median(map(_ratio, seconds["stock"], seconds["ours"])) if both else "-"
    if args.device != "cpu" and (peak := PEAK_FLOPS.get(torch.cuda.get_device_name())):
        flops = useful_flops(stock, rows, length)
        row["ours_mfu"] = flops / statistics.median(seconds["ours"]) / peak
    return row


def useful_flops(model: PreTrainedModel, rows: int, length: int, mask_rate: float = 0.15) -> float:
    """FLOPs of a step, three times the forward's, with the LM head at masked positions only."""
    config = model.config
    width, layers = config.hidden_size, config.num_hidden_layers
    encoder = layers * (8 * width**2 + 4 * width * config.intermediate_size + 4 * length * width)
    head = 2 * width * (width + config.vocab_size)
    return 3 * rows * length * (encoder + mask_rate * head)


def memory(args: argparse.Namespace, side: str, vocab: int, rows: int, length: int) -> float | None:
    """GiB at the peak of forward and backward beyond parameters and gradients, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.masked_lm_step", "--memory_of", side, "--vocab", str(vocab)]
    command += ["--shape", f"{rows}x{length}", "--layers", str(args.layers), "--device", args.device]
    command += ["--threads", str(args.threads), "--dropout", str(args.dropout)]
    # Freed blocks go back to the system at once, so that what is resident is what is in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{side} at {vocab} {rows}x{length} failed with exit status {done.returncode}: out of memory?")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def measure_memory(args: argparse.Namespace, vocab: int, rows: int, length: int) -> float:
    """The child's part of [`memory`]."""
    model = build(args, vocab)
    if args.memory_of == "ours":
        model = masked_only(model)
    torch.manual_seed(1)
    batch = batch_of(vocab, rows, length, args.device)
    gradients = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    step = step_of(model, None, args.device)
    small = {name: value[:1, :32] for name, value in batch.items()}
    step(small)
    gc.collect()
    if args.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(batch)
        return (torch.cuda.max_memory_allocated() - before - gradients) / 2**30
    with _PeakMemory() as peak:
        step(batch)
    return (peak.bytes - gradients) / 2**30


class _PeakMemory:
    """The most that this process' resident memory grows meanwhile, read every millisecond."""

    def __enter__(self) -> _PeakMemory:
        self._before = self._highest = _resident()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self.bytes = self._highest - self._before

    def _watch(self) -> None:
        while not self._stop.wait(0.001):
            self._highest = max(self._highest, _resident())


def _resident() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status does not state VmRSS; memory is measured on Linux alone")


def _ratio(stock: float, ours: float) -> float:
    return stock / ours


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, nargs="+", default=[250002, 401145])
    parser.add_argument("--shape", nargs="+", default=["4x256", "8x512"], help="rows x tokens")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--dropout", type=float, default=0.1, help="the same on both sides")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one that is not counted")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--skip", nargs="*", default=[], help="of memory, optimizer, time")
    parser.add_argument("--name", default="masked_lm_step")
    parser.add_argument("--memory_of", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.without = ()
    torch.set_num_threads(args.threads)
    shapes = [tuple(int(part) for part in shape.split("x")) for shape in args.shape]
    if args.memory_of:
        (vocab,), ((rows, length),) = args.vocab, shapes
        print(json.dumps(measure_memory(args, vocab, rows, length)))
        return
    results: list[dict[str, object]] = []
    for vocab in args.vocab:
        for rows, length in shapes:
            peaks = (
                {side: memory(args, side, vocab, rows, length) for side in SIDES} if "memory" not in args.skip else {}
            )
            # Where a side does not fit into memory, the other is measured alone.
            args.without = tuple(side for side, peak in peaks.items() if peak is None)
            for with_optimizer in (False, True):
                if "time" in args.skip or (with_optimizer and "optimizer" in args.skip):
                    continue
                row = timed(args, vocab, rows, length, with_optimizer)
                for side in SIDES:
                    row[f"{side}_peak_gib"] = _or_dash(peaks.get(side))
                stock, ours = peaks.get("stock"), peaks.get("ours")
                row["memory_ratio"] = ours / stock if stock and ours else "-"
                results.append(row)
                gc.collect()
            if "time" in args.skip:
                results.append(
                    {"vocab": vocab, "batch": f"{rows}x{length}", **{k: _or_dash(v) for k, v in peaks.items()}}
                )
    report(args.name, results)


def _or_dash(value: float | None) -> float | str:
    return "-" if value is None else value


if __name__ == "__main__":
    main()
