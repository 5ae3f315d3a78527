"""A training step of script alignment: one forward pass without padding against the way the public code computes it.

    python -m benchmarks.script_alignment_step                       # XLM-R base's shape, Glot500's vocabulary
    python -m benchmarks.script_alignment_step --layers 4 --vocab 250002 --repeats 5
    python -m benchmarks.script_alignment_step --device cuda --bf16  # ours in bf16; the public code runs in fp32

The public way: three forwards, each stream padded on its own to a multiple of 8, the LM head at masked positions with
stock cross-entropy, `output_hidden_states`, all in fp32. Both sides have one set of weights and are timed in turn
on the same pairs with the same masks: real sentences of the sample, and their romanisations. Ratios are of the same
round. Memory is the peak of a process of its own for each side, beyond parameters and gradients.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

from benchmarks._report import report
from benchmarks.masked_lm_step import ROOT, _PeakMemory, time_step
from hf_mplm.data.batches.transliteration_collator import STREAMS, DataCollatorForTransliteration
from hf_mplm.data.romanization.romanizer import Romanizer
from hf_mplm.data.tokenizing.tokenizers import train_tokenizer
from hf_mplm.losses.sequence_contrast import sequence_contrast_loss
from hf_mplm.modeling.pooling import default_layer
from hf_mplm.sample import iter_sample
from hf_mplm.trainers.script_alignment.arguments import ScriptAlignmentArguments
from hf_mplm.trainers.script_alignment.trainer import ScriptAlignmentTrainer


SIDES = ("public", "ours")
LANGUAGES = ["arb_Arab", "ell_Grek", "heb_Hebr", "mlt_Latn", "amh_Ethi", "tur_Latn"]
_TOKENIZER_SIZE = 12_000


def build(vocab: int, layers: int, device: str) -> XLMRobertaForMaskedLM:
    """XLM-R base, or a shallower one, with its dropout."""
    config = XLMRobertaConfig(
        vocab_size=vocab, num_hidden_layers=layers, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    torch.manual_seed(0)
    return XLMRobertaForMaskedLM(config).to(device).train()


def pairs_of(count: int, folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """A tokenizer of the sample, and real sentence pairs in random order."""
    texts = [row.text for row in iter_sample(LANGUAGES, split="train")]
    romanized = Romanizer(on_error="empty")(texts)
    tokenizer = train_tokenizer([*texts, *romanized], folder, vocab_size=_TOKENIZER_SIZE, num_threads=2)
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    rows = [
        {
            "input_ids": tokenizer(texts[index])["input_ids"],
            "romanized_input_ids": tokenizer(romanized[index])["input_ids"],
            "language": 0,
            "draw": draw,
        }
        for draw, index in enumerate(order)
    ]
    return tokenizer, rows


def public_step(model: Any, layer: int) -> Callable[[dict], None]:
    """Three forwards, as the published trainer has them."""

    def step(batch: dict[str, torch.Tensor]) -> None:
        total, pooled = 0, []
        for name in STREAMS:
            outputs = model.roberta(
                input_ids=batch[f"{name}_input_ids"],
                attention_mask=batch[f"{name}_attention_mask"],
                output_hidden_states=True,
            )
            labels = batch[f"{name}_labels"]
            masked = labels.ne(-100)
            logits = model.lm_head(outputs.last_hidden_state[masked])
            total = total + functional.cross_entropy(logits, labels[masked])
            if name != "tlm":
                mask = batch[f"{name}_pool_mask"].unsqueeze(-1)
                pooled.append((outputs.hidden_states[layer] * mask).sum(1) / mask.sum(1))
        (total + sequence_contrast_loss(*pooled).loss).backward()
        model.zero_grad(set_to_none=True)

    return step


def our_step(model: Any, tokenizer: Any, args: argparse.Namespace, folder: str) -> Callable[[dict], None]:
    """One forward through the trainer's own loss."""
    from datasets import ClassLabel, Dataset

    empty = {"input_ids": [[0, 5, 2]], "romanized_input_ids": [[0, 5, 2]], "language": [0]}
    rows = Dataset.from_dict(empty).cast_column("language", ClassLabel(names=["ell_Grek"]))
    settings = ScriptAlignmentArguments(
        output_dir=folder,
        max_steps=1,
        use_cpu=args.device == "cpu",
        bf16=args.bf16,
        disable_tqdm=True,
        cache_mini_batch_size=args.cache,
    )
    trainer = ScriptAlignmentTrainer(model, settings, train_dataset=rows, processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = 1
    trainer.create_optimizer()

    def step(batch: dict[str, torch.Tensor]) -> None:
        counts = {key: value.ne(-100).sum() for key, value in batch.items() if key.endswith("_labels")}
        trainer.training_step(model, batch, counts)
        model.zero_grad(set_to_none=True)

    return step


def batches_of(tokenizer: Any, rows: Sequence[dict], size: int, device: str, side: str) -> list[dict]:
    """The same pairs and masks for both sides, padded or side by side."""
    public = side == "public"
    collator = DataCollatorForTransliteration(
        tokenizer, seed=1, pack=not public, pad_to_multiple_of=8 if public else None
    )
    found = [collator(rows[start : start + size]) for start in range(0, len(rows) - size + 1, size)]
    return [{key: value.to(device) for key, value in batch.items()} for batch in found]


def prepare(args: argparse.Namespace, side: str, folder: str, model: Any = None) -> tuple[Callable, list[dict], Any]:
    """The step of a side, its batches, and the model."""
    tokenizer, rows = pairs_of(args.batch * (args.repeats + 1), Path(folder) / "tokenizer")
    model = model if model is not None else build(args.vocab, args.layers, args.device)
    batches = batches_of(tokenizer, rows, args.batch, args.device, side)
    layer = default_layer(args.layers)
    step = public_step(model, layer) if side == "public" else our_step(model, tokenizer, args, folder)
    return step, batches, model


def peak_gib(args: argparse.Namespace, side: str) -> float:
    """GiB at the peak of a step beyond parameters and gradients, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.script_alignment_step", "--memory_of", side]
    for name in ("vocab", "layers", "batch", "device", "threads"):
        command += [f"--{name}", str(getattr(args, name))]
    command += [
        "--repeats",
        "1",
        *(["--bf16"] if args.bf16 else []),
        *(["--cache", str(args.cache)] if args.cache else []),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_memory(args: argparse.Namespace) -> float:
    """The child's part of [`peak_gib`]."""
    with tempfile.TemporaryDirectory() as folder:
        step, batches, model = prepare(args, args.memory_of, folder)
        gradients = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        gc.collect()
        if args.device != "cpu":
            step(batches[0])
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            step(batches[1])
            return (torch.cuda.max_memory_allocated() - before - gradients) / 2**30
        with _PeakMemory() as peak:
            step(batches[0])
        return (peak.bytes - gradients) / 2**30


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, default=401145)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--batch", type=int, default=16, help="sentence pairs in a batch; the paper's is 16")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one that is not counted")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--bf16", action="store_true", help="ours in bf16; the public code runs in fp32")
    parser.add_argument("--cache", type=int, help="ours with the gradient cache, this many pairs at a time")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--skip_memory", action="store_true")
    parser.add_argument("--name", default="script_alignment_step")
    parser.add_argument("--memory_of", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    if args.memory_of:
        print(json.dumps(measure_memory(args)))
        return
    peaks = {} if args.skip_memory else {side: peak_gib(args, side) for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        public, padded, model = prepare(args, "public", folder)
        ours, packed, _ = prepare(args, "ours", folder, model)
        model.train()
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for number, (one, other) in enumerate(zip(padded, packed)):
            elapsed = {"public": time_step(public, one, args.device), "ours": time_step(ours, other, args.device)}
            if number:
                for side in SIDES:
                    seconds[side].append(elapsed[side])
    tokens = sum(int(batch[f"{name}_attention_mask"].sum()) for batch in padded[1:] for name in STREAMS)
    places = {
        "public": sum(batch[f"{name}_input_ids"].numel() for batch in padded[1:] for name in STREAMS),
        "ours": sum(batch["packed_segments"].numel() for batch in packed[1:]),
    }
    row: dict[str, object] = {"vocab": args.vocab, "layers": args.layers, "pairs": args.batch}
    for side in SIDES:
        row[f"{side}_pairs_per_s"] = args.batch / statistics.median(seconds[side])
        row[f"{side}_padding"] = 1 - tokens / places[side]
        row[f"{side}_peak_gib"] = peaks.get(side, "-")
    row["speedup"] = statistics.median(a / b for a, b in zip(seconds["public"], seconds["ours"]))
    report(args.name, [row])


if __name__ == "__main__":
    main()
