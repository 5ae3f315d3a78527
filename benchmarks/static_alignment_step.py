"""A training step of static alignment: words within the text's forward pass against the way the public code has it.

    python -m benchmarks.static_alignment_step                       # XLM-R base, 16 micro-batches, the same loss
    python -m benchmarks.static_alignment_step --of 1                # time one of the 16, which are all alike
    python -m benchmarks.static_alignment_step --loss dcca           # ours with DCCA of all 1,024 words
    python -m benchmarks.static_alignment_step --device cuda --bf16  # ours in bf16; the public code runs in fp32

The public way, micro-batch by micro-batch: 64 padded words through the whole model, logits of every token included,
`output_hidden_states`, principal subspaces by SVD with its own derivative, backward; then 4 x 128 tokens of text,
logits of every token, backward. Both sides have one set of weights and are timed in turn on the same text, masks and
words: real sentences of the sample. Ratios are of the same round, by the clock and by the processor's time, which
other work on the machine changes less; `load` says how many processes wanted a core. Memory is the peak of a process
of its own for each side, beyond parameters and gradients.
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
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset

from benchmarks._report import report
from benchmarks.masked_lm_step import ROOT, _PeakMemory, time_step
from benchmarks.script_alignment_step import build
from hf_mplm.data.tokenizing.tokenizers import train_tokenizer
from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.sample import iter_sample
from hf_mplm.trainers.static_alignment.arguments import StaticAlignmentArguments
from hf_mplm.trainers.static_alignment.trainer import StaticAlignmentTrainer


SIDES = ("public", "ours")
LANGUAGES = ["eng_Latn", "spa_Latn", "ell_Grek", "heb_Hebr", "rus_Cyrl", "tur_Latn", "swh_Latn"]
_TOKENIZER_SIZE = 12_000
_CHUNK, _COMPONENTS = 128, 10


def data_of(folder: Path, dimension: int) -> tuple[Any, Dataset, WordVectors]:
    """A tokenizer of the sample, its text in chunks of 128 tokens, and its words with random vectors."""
    texts = {code: [row.text for row in iter_sample([code], split="train")] for code in LANGUAGES}
    texts = {code: lines for code, lines in texts.items() if lines}
    tokenizer = train_tokenizer(
        [line for lines in texts.values() for line in lines], folder, vocab_size=_TOKENIZER_SIZE
    )
    ids = [token for lines in texts.values() for line in lines for token in tokenizer(line)["input_ids"]]
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids) - _CHUNK, _CHUNK)]
    rows = Dataset.from_dict({"input_ids": chunks, "language": [0] * len(chunks)})
    generator = np.random.default_rng(0)
    tables = {}
    for code, lines in texts.items():
        words = sorted({word.strip(".,:;()\"'") for line in lines for word in line.lower().split()} - {""})
        tables[code] = (words, generator.normal(size=(len(words), dimension)))
    return tokenizer, rows.cast_column("language", ClassLabel(names=["eng_Latn"])), WordVectors.from_languages(tables)


def make_trainer(model: Any, args: argparse.Namespace, folder: str) -> StaticAlignmentTrainer:
    """Our trainer on 64 chunks and 1,024 words a step, in micro-batches."""
    tokenizer, rows, words = data_of(Path(folder) / "tokenizer", model.config.hidden_size)
    settings = StaticAlignmentArguments(
        output_dir=folder,
        max_steps=args.repeats + 1,
        per_device_train_batch_size=64 // args.micro_batches,
        gradient_accumulation_steps=args.micro_batches,
        loss=args.loss,
        pool_special_tokens=True,
        use_cpu=args.device == "cpu",
        bf16=args.bf16,
        disable_tqdm=True,
    )
    trainer = StaticAlignmentTrainer(model, settings, words=words, train_dataset=rows, processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = args.micro_batches
    trainer.create_optimizer()
    return trainer


def our_step(trainer: StaticAlignmentTrainer, model: Any) -> Callable[[list[dict]], None]:
    """The trainer's own micro-batches."""

    def step(batches: list[dict[str, Any]]) -> None:
        counts = {"labels": torch.stack([batch["labels"].ne(-100).sum() for batch in batches]).sum()}
        for batch in batches:
            trainer.training_step(model, dict(batch), counts)
        model.zero_grad(set_to_none=True)

    return step


def public_step(model: Any, micro_batches: int) -> Callable[[list[dict]], None]:
    """Two passes and two backwards a micro-batch, as the published trainer has them."""

    def step(batches: list[dict[str, Any]]) -> None:
        for batch in batches:
            ids = batch["word_input_ids"]
            # Padding is attended to and pooled, as published: the mask is padded with the id of the padding, 1.
            outputs = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
            pooled = outputs.hidden_states[-1].mean(1)
            (subspaces(pooled, batch["word_targets"]) / micro_batches).backward()
            del outputs, pooled
            outputs = model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
            )
            (outputs.loss / micro_batches).backward()
            del outputs
        model.zero_grad(set_to_none=True)

    return step


def subspaces(states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Minus the largest singular values of both sides' principal bases, by SVD and its derivative."""
    bases = [torch.linalg.svd(side, full_matrices=False)[0][:, :_COMPONENTS] for side in (states, targets)]
    return -torch.linalg.svd(torch.cat(bases, 1), full_matrices=False)[1][:_COMPONENTS].sum()


def prepare(args: argparse.Namespace, folder: str) -> tuple[dict[str, Callable], list[list[dict]], Any]:
    """The steps of both sides, the micro-batches of each round, and the model."""
    stock = build(args.vocab, args.layers, args.device)
    public = copy.copy(stock)  # the same weights, which the trainer gives another class
    trainer = make_trainer(stock, args, folder)
    loader = iter(trainer.get_train_dataloader())
    rounds = []
    for _ in range(args.repeats + 1):
        batches = list(islice(loader, args.micro_batches))
        rounds.append([{name: value.to(args.device) for name, value in batch.items()} for batch in batches][: args.of])
    return {"public": public_step(public, args.micro_batches), "ours": our_step(trainer, stock)}, rounds, stock


def peak_gib(args: argparse.Namespace, side: str) -> float:
    """GiB at the peak of a step beyond parameters and gradients, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.static_alignment_step", "--memory_of", side, "--repeats", "1"]
    for name in ("vocab", "layers", "device", "threads", "micro_batches", "of", "loss"):
        command += [f"--{name}", str(getattr(args, name))]
    command += ["--bf16"] if args.bf16 else []
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure_memory(args: argparse.Namespace) -> float:
    """The child's part of [`peak_gib`]."""
    with tempfile.TemporaryDirectory() as folder:
        steps, rounds, model = prepare(args, folder)
        step = steps[args.memory_of]
        gradients = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        gc.collect()
        if args.device != "cpu":
            step(rounds[0])
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            step(rounds[1])
            return (torch.cuda.max_memory_allocated() - before - gradients) / 2**30
        with _PeakMemory() as peak:
            step(rounds[0])
        return (peak.bytes - gradients) / 2**30


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, default=250002)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--micro_batches", type=int, default=16, help="of 64 chunks and 1,024 words; published are 16")
    parser.add_argument("--of", type=int, help="how many of a step's micro-batches to run; all by default")
    parser.add_argument("--loss", default="subspace", choices=["mse", "dcca", "subspace"], help="ours")
    parser.add_argument("--repeats", type=int, default=3, help="rounds, after one that is not counted")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="ours in bf16; the public code runs in fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--skip_memory", action="store_true")
    parser.add_argument("--name", default="static_alignment_step")
    parser.add_argument("--memory_of", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.of = args.of or args.micro_batches
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(json.dumps(measure_memory(args)))
        return
    peaks = {} if args.skip_memory else {side: peak_gib(args, side) for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        steps, rounds, model = prepare(args, folder)
        model.train()
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        cpu_seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        loads = [os.getloadavg()[0]]
        for number, batches in enumerate(rounds):
            for side in SIDES:
                start = time.process_time()
                elapsed = time_step(steps[side], batches, args.device)  # type: ignore[arg-type]
                if number:
                    seconds[side].append(elapsed)
                    cpu_seconds[side].append(time.process_time() - start)
            loads.append(os.getloadavg()[0])
    row: dict[str, object] = {"vocab": args.vocab, "layers": args.layers, "micro_batches": args.micro_batches}
    row |= {"of_them_run": args.of, "loss_of_ours": args.loss, "threads": args.threads, "load": round(max(loads), 1)}
    for side in SIDES:
        row[f"{side}_s"] = statistics.median(seconds[side])
        row[f"{side}_cpu_s"] = statistics.median(cpu_seconds[side])
        row[f"{side}_peak_gib"] = peaks.get(side, "-")
    row["speedup"] = statistics.median(a / b for a, b in zip(seconds["public"], seconds["ours"]))
    row["cpu_speedup"] = statistics.median(a / b for a, b in zip(cpu_seconds["public"], cpu_seconds["ours"]))
    report(args.name, [row])


if __name__ == "__main__":
    main()
