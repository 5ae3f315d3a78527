"""Cells of a transfer study an hour, against the published way, with the same cells and the same scores.

    python -m benchmarks.transfer_cells                          # about five minutes of one core
    python -m benchmarks.transfer_cells --layers 12 --hidden_size 384 --steps 1 10 100

The published way has a process for each tuning and each cell: every number of steps is tuned anew, with logits of
all positions, and saved; every cell loads it, tokenises its test set, pads each sentence to 256 tokens and predicts
in batches of 8. (It also tuned anew for each group of tasks; the two tasks here are of one group.) Ours is a unit of
the grid in a process that has loaded base, modules and test sets, whose time is reported beside. Weights are random,
which cost what learned ones cost; both ways tune at the same constant rate, so that their scores can be compared.

Seconds are those of CPU, user and system of a process and its children, which other work on the machine changes
least; `published, work alone` leaves out that its processes start, import and load.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM

from benchmarks._encoders import DATA_DIR, VOCAB_SIZE
from benchmarks._report import report
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import load_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, train_tokenizer
from hf_mplm.evaluation import get_task
from hf_mplm.evaluation.batching import evaluation_mode
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings
from hf_mplm.transfer.experiment import StudyExperiment
from hf_mplm.transfer.modules import TaskModule, adapt_encoder, read_training_data, train_task_module
from hf_mplm.transfer.settings import StudySettings
from hf_mplm.transfer.study.unit import CellScore, Unit
from hf_mplm.transfer.tuning import Base, MaskedBatches, seed_of


TASKS = ("pos", "parsing")
# The first is timed both ways; the others show that memory does not grow with their number.
LANGUAGES = ("swh_Latn", "eng_Latn", "tur_Latn")
WINDOW, PLAIN_BATCH = 256, 8
# Rounding differs between batch shapes, so that a label whose logits are all but equal may turn over: one of many in
# these metrics, where a mean over labels would jump.
COMPARED, SAME_SCORES = ("accuracy", "uas", "las"), 0.01


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["all", "tune", "score"], default="all")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden_size", type=int, default=256)
    parser.add_argument("--targets", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=40)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--task", default="pos")
    parser.add_argument("--target", default="")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.part != "all":
        {"tune": tune_alone, "score": score_alone}[args.part](args)
        return
    with tempfile.TemporaryDirectory() as folder:
        args.folder = Path(folder)
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Time both ways in one run, and hold their scores against one another."""
    make_world(args)
    start = cpu_seconds()
    experiment = StudyExperiment(settings_of(args))
    sets = experiment.scorer.sets
    loading = cpu_seconds() - start
    start = cpu_seconds()
    cells = experiment.run(Unit("tuning", LANGUAGES[:1], 0))
    ours, peak = cpu_seconds() - start, peak_megabytes()
    start = cpu_seconds()
    experiment.base.restore()
    restoring = cpu_seconds() - start
    for code in LANGUAGES[1:]:
        experiment.run(Unit("tuning", (code,), 0))
    grown = peak_megabytes() - peak

    start = cpu_seconds()
    found: dict[tuple[str, str, int, str], float] = {}
    work = 0.0
    for step in args.steps:
        work += float(run_alone(args, "tune", step)["seconds"])
        for each in sets:
            told = run_alone(args, "score", step, each.task, each.target)
            work += float(told.pop("seconds"))
            for metric, value in told.items():
                found[each.task, each.target, step, metric] = value
    published = cpu_seconds() - start

    apart = max(abs(found[key_of(cell)] - cell.value) for cell in cells if cell.metric in COMPARED)
    if len(found) != len(cells):
        raise SystemExit(f"the two ways have {len(found)} and {len(cells)} scores")
    number = len(args.steps) * len(sets)
    ways = {"published": published, "published, work alone": work, "a unit of the grid": ours}
    rows = [
        {
            "way": way,
            "layers": args.layers,
            "hidden_size": args.hidden_size,
            "cells": number,
            "cpu_seconds": seconds,
            "cells_an_hour": 3600 * number / seconds,
            "times_faster": seconds / ours,
            "loading_cpu_seconds": loading,
            "restoring_share": restoring / ours,
            "peak_mb": peak,
            "peak_mb_of_2_more_languages": grown,
            "most_apart": apart,
        }
        for way, seconds in ways.items()
    ]
    report("transfer_cells", rows)
    weights = sum(weight.numel() * weight.element_size() for weight in experiment.base.model.parameters()) / 1e6
    print(
        f"ratio {published / ours:.1f}, {work / ours:.1f} of work alone; loading once {loading:.1f} s; restoring the "
        f"base with its digest {restoring:.3f} s, {restoring / ours:.1%} of the unit; scores differ by {apart:.4f} at "
        f"most; peak {peak:.0f} MB with weights of {weights:.0f} MB, {grown:.0f} MB more after two more languages"
    )
    if apart > SAME_SCORES:
        raise SystemExit(f"the two ways differ by {apart:.4f} in a score")


def cpu_seconds() -> float:
    """User and system time of this process and of its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def key_of(cell: CellScore) -> tuple[str, str, int, str]:
    """What both ways call a number."""
    return cell.task, cell.target, cell.step, cell.metric


def settings_of(args: argparse.Namespace) -> StudySettings:
    """The study that is timed."""
    codes = list(get_task("pos").languages(DATA_DIR))[: args.targets]
    return StudySettings(
        model=str(args.folder / "base"),
        modules=str(args.folder / "modules"),
        data_dir=str(DATA_DIR),
        store=str(args.folder / "store"),
        tasks=list(TASKS),
        targets=codes,
        steps=args.steps,
        max_length=128,
        max_test_examples=args.sentences,
    )


def make_world(args: argparse.Namespace) -> None:
    """A base with random weights, a store of three languages, and modules that were trained for a moment."""
    files = sorted((DATA_DIR / "udhr").glob("*.txt"))[::8]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    train_tokenizer(lines, args.folder / "tokenizer", vocab_size=VOCAB_SIZE)
    tokenizer = load_tokenizer(args.folder / "tokenizer")
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=args.layers,
        hidden_size=args.hidden_size,
        num_attention_heads=max(1, args.hidden_size // 64),
        intermediate_size=4 * args.hidden_size,
        max_position_embeddings=514,
        type_vocab_size=1,
        # Weights of the usual size give all tokens almost the same state, and labels that rounding decides.
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    XLMRobertaForMaskedLM(config).save_pretrained(args.folder / "base")
    tokenizer.save_pretrained(args.folder / "base")
    corpora = [str(DATA_DIR / "udhr" / f"{code}.txt") for code in LANGUAGES]
    prepare_store(corpora, args.folder / "tokenizer", args.folder / "store", chunk_length=128)
    base = Base.load(args.folder / "base")
    encoder = adapt_encoder(base.encoder, "peft")
    for name in TASKS:
        task: Any = get_task(name)
        data = read_training_data(task, DATA_DIR, max_examples=24, max_dev_examples=2)
        settings = FineTuningSettings(learning_rate=5e-3, num_train_epochs=2, batch_size=16, max_length=WINDOW)
        made = {"size": 8, "base": base.digest, "base_model": base.name}
        module = train_task_module(task, encoder, base.tokenizer, data, DATA_DIR, settings, **made)
        (args.folder / "modules" / name).mkdir(parents=True)
        module.save(args.folder / "modules" / name)
        module.detach()


def run_alone(args: argparse.Namespace, part: str, step: int, task: str = "", target: str = "") -> dict[str, float]:
    """Run a part of the published way in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.transfer_cells", part, "--folder", str(args.folder)]
    words += ["--steps", str(step), "--threads", str(args.threads), "--sentences", str(args.sentences)]
    words += ["--task", task or "pos", "--target", target]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    values: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return values


def tune_alone(args: argparse.Namespace) -> None:
    """Load, tune with logits of all positions, and save, as the published script does."""
    model = AutoModelForMaskedLM.from_pretrained(
        args.folder / "base", dtype=torch.float32, trust_remote_code=False
    ).train()
    tokenizer = load_tokenizer(args.folder / "base")
    start = cpu_seconds()
    seed = seed_of(StudySettings("", "", "").seed, "tuning", LANGUAGES[0], 0)
    batches = MaskedBatches(
        load_store(args.folder / "store"),
        LANGUAGES[:1],
        tokenizer,
        num_batches=args.steps[0],
        batch_size=8,
        max_length=128,
        mask_rate=0.15,
        seed=seed,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.0)
    for step in range(args.steps[0]):
        loss = model(**batches[step]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(args.folder / "tuned")
    tokenizer.save_pretrained(args.folder / "tuned")
    print(json.dumps({"seconds": cpu_seconds() - start}))


def score_alone(args: argparse.Namespace) -> None:
    """Load, tokenise one test set, pad it to the window, predict and score."""
    base = Base.load(args.folder / "tuned")
    module = TaskModule.load(args.folder / "modules" / args.task, base.tokenizer, DATA_DIR)
    module.attach(adapt_encoder(base.encoder, "peft"))
    args.targets = 99
    study = StudyExperiment(settings_of(args))
    study.settings.model, study.settings.targets, study.settings.tasks = str(base.name), [args.target], [args.task]
    study.modules = {args.task: module}
    start = cpu_seconds()
    (chosen,) = study.test_sets.sets
    rows = chosen.features.rows
    predictions: list[Any] = []
    with torch.inference_mode(), module.active(), evaluation_mode(module.model):
        for first in range(0, len(rows), PLAIN_BATCH):
            batch = module.task.collate(rows[first : first + PLAIN_BATCH], base.tokenizer)
            room = WINDOW - batch["input_ids"].shape[1]
            pad = {"input_ids": base.tokenizer.pad_token_id, "attention_mask": 0}
            for key, value in pad.items():
                batch[key] = torch.nn.functional.pad(batch[key], (0, room), value=value)
            predictions += list(module.task.decode(module.model, batch))
    scores = module.task.score(chosen.examples, chosen.features, predictions, args.target)
    print(json.dumps({**scores.metrics, "seconds": cpu_seconds() - start}))


if __name__ == "__main__":
    main()
