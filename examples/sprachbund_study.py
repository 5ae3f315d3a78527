"""What clusters of languages are worth: vectors and clusters of real text, their controls, and training by them.

python -m examples.sprachbund_study --data DATA --encoder name=MODEL --start MODEL --output study

DATA holds `udhr/CODE.txt` and `sib200/CODE/{train,dev,test}.tsv`. Every step is a command of `hf-mplm`, which is
printed, so that any of them can be typed alone; the same line goes on where it was stopped. `--only vectors` or
`--only training` does one half. At the end `study/losses.md` has the held-out losses of every arm, and
`study/comparison` its scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from examples.commands import run, write_training_text
from hf_mplm.sprachbund import LanguageVectors


def compare_vectors(name: str, model: str, args: argparse.Namespace) -> None:
    """Vectors of all languages of the Universal Declaration, clusters of them, and what linguistics says of both."""
    place = args.output / name
    layers = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    depths = sorted({0, round(layers / 3), round(2 * layers / 3), layers})
    shared = ("--model", model, "--corpus", args.data / "udhr", "--max_sentences", 16)
    vectors, controls = place / "vectors", place / "controls"
    run("sprachbund", "vectors", *shared, "--output", vectors, "--layers", *depths, "--pooling", "mean", "cls")
    controlled = ("--output", controls, "--layers", depths[1], "--pooling", "mean", "--from", "controls")
    run("sprachbund", "vectors", *shared, *controlled)
    run("sprachbund", "cluster", vectors, "--output", place / "auto", "--config", "sprachbund")
    run("sprachbund", "cluster", vectors, "--output", place / "paper", "--config", "sprachbund-paper")
    run("sprachbund", "cluster", vectors, "--output", place / "k4", "--layer", "third", "--num_clusters", 4)
    run(
        "sprachbund",
        "cluster",
        vectors,
        "--output",
        place / "drawn",
        "--layer",
        "third",
        "--num_clusters",
        4,
        "--random",
        1,
    )
    folders = [place / one for one in ("vectors", "controls", "auto", "paper", "k4", "drawn")]
    run("sprachbund", "analyse", *folders, "--against", "table1", "--output", place / "analysis")


def train_by_clusters(args: argparse.Namespace) -> None:
    """Models of clusters, of all languages and of languages drawn, with the same start, text and steps."""
    place = args.output / "training"
    sib200 = args.data / "sib200"
    codes = sorted(path.name for path in sib200.iterdir() if path.is_dir())[: args.languages]
    corpus = write_training_text(sib200, place / "corpus", codes)
    chunks = ("--tokenizer", args.start, "--chunk_length", 64, "--holdout", args.holdout)
    run("prepare", "--corpus", corpus, *chunks, "--output", place / "store")
    views = ("--layers", "third", "--pooling", "mean", "--max_sentences", 64)
    run("sprachbund", "vectors", "--model", args.start, "--corpus", corpus, *views, "--output", place / "vectors")
    arms = [("all", None), ("clusters", None), *(("random", seed) for seed in args.seeds)]
    # The middle number of clusters first: it is the one whose models are measured on tasks.
    counts = sorted(args.clusters, key=lambda count: (count != args.measured, count))
    for budget in args.budgets:
        for count in counts:
            clusters = place / f"k{count}"
            if not (clusters / "sprachbunds.json").is_file():
                run("sprachbund", "cluster", place / "vectors", "--num_clusters", count, "--output", clusters)
            for arm, seed in arms:
                # One model of all is the same whatever the clusters and the budget are.
                if arm == "all" and (budget, count) != ("total", counts[0]):
                    continue
                models = collection(place, budget, count, arm, seed)
                train(models, clusters, arm, seed, budget, args)
                write_losses(place, args)
                if budget == "total" and count == args.measured:
                    measure(models, place / "results" / models.name, args)
            if budget == "total" and count == args.measured:
                measure(args.start, place / "results" / "start", args)
                names = [collection(place, budget, count, *one).name for one in arms]
                results = [place / "results" / name for name in (*names, "start")]
                run("compare", *results, "--names", *names, "start", "--output", args.output / "comparison")


def collection(place: Path, budget: str, count: int, arm: str, seed: int | None) -> Path:
    """Where the models of an arm are."""
    return place / ("all-models" if arm == "all" else f"{budget}-k{count}-{arm}{'' if seed is None else seed}")


def train(models: Path, clusters: Path, arm: str, seed: int | None, budget: str, args: argparse.Namespace) -> None:
    """Train the models of one arm."""
    place = args.output / "training"
    own = ("--arm", arm, *(() if seed is None else ("--random_seed", seed)), "--budget", budget)
    data = ("--clusters", clusters, "--vectors", place / "vectors", "--store", place / "store", "--model", args.start)
    steps = ("--max_steps", args.steps, "--per_device_train_batch_size", 8, "--learning_rate", 5e-5)
    more = ("--lr_scheduler_type", "linear", "--seed", 1, "--save_strategy", "no", "--disable_tqdm", "true")
    run("sprachbund", "train", *data, *own, *steps, *more, "--output", models)


def measure(model: object, output: Path, args: argparse.Namespace) -> None:
    """Retrieval of translations from English, and a probe of topics."""
    codes = sorted(path.stem for path in (args.output / "training" / "corpus").glob("*.txt"))[:: args.every]
    flags = ("--tasks", "flores,sib200", "--data_dir", args.data, "--transfer_settings", "probe")
    more = ("--source_languages", "eng_Latn", "--languages", ",".join(codes))
    run("evaluate", "--model", model, *flags, *more, "--output", output)


def held_out(models: Path) -> dict[str, float] | None:
    """The held-out loss of each language, by the model of its cluster; `None` where a model is not finished."""
    if not (models / "sprachbunds.json").is_file():
        return None
    losses = {}
    for member in json.loads((models / "sprachbunds.json").read_text(encoding="utf-8"))["clusters"]:
        if member["digest"] is None:
            return None
        state = json.loads((models / member["folder"] / "trainer_state.json").read_text(encoding="utf-8"))
        last = [line for line in state["log_history"] if "eval_loss" in line][-1]
        losses.update({code: last[f"eval_loss_{code}"] for code in member["trained_on"]})
    return losses


def write_losses(place: Path, args: argparse.Namespace) -> None:
    """A table of held-out losses: differences from one model of all, with bootstrap intervals over languages."""
    base = held_out(place / "all-models")
    if base is None:
        return
    generator = np.random.default_rng(0)
    codes = sorted(base)
    drawn = generator.integers(len(codes), size=(10_000, len(codes)))
    rows = [f"| all | {np.mean([base[code] for code in codes]):.4f} | | |"]
    for budget in args.budgets:
        for count in args.clusters:
            for arm, seed in [("clusters", None), *(("random", seed) for seed in args.seeds)]:
                models = collection(place, budget, count, arm, seed)
                if (own := held_out(models)) is None:
                    continue
                apart = np.array([own[code] - base[code] for code in codes])
                low, high = np.quantile(apart[drawn].mean(axis=1), (0.025, 0.975))
                mean = np.mean([own[code] for code in codes])
                told = f"{apart.mean():+.4f} ({low:+.4f} to {high:+.4f})"
                rows.append(f"| {models.name} | {mean:.4f} | {told} | {int((apart < 0).sum())} of {len(codes)} |")
    head = "| arm | held-out loss, mean over languages | against all, 95 % over languages | lower in |\n"
    head += "|---|---|---|---|\n"
    (args.output / "losses.md").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", action="append", default=[], metavar="NAME=FOLDER", help="vectors of these")
    parser.add_argument("--start", help="a masked-LM checkpoint to train from")
    parser.add_argument("--only", choices=["vectors", "training"])
    parser.add_argument("--languages", type=int, help="so many of SIB-200's, the first by code; all by default")
    parser.add_argument("--clusters", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument(
        "--budgets", nargs="+", choices=["total", "per_model"], default=["total", "per_model"], help="of steps"
    )
    parser.add_argument("--measured", type=int, default=3, help="of --clusters, whose models are measured on tasks")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--holdout", type=int, default=60, help="held-out rows of a language")
    parser.add_argument("--every", type=int, default=1, help="measure every so manieth language on tasks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the languages that are drawn")
    args = parser.parse_args()
    if args.only != "training":
        for given in args.encoder:
            compare_vectors(*given.split("=", 1), args)
    if args.only != "vectors" and args.start is not None:
        train_by_clusters(args)
        codes = LanguageVectors.load(args.output / "training" / "vectors").languages
        print(f"{len(codes)} languages; see {args.output / 'losses.md'} and {args.output / 'comparison'}")


if __name__ == "__main__":
    main()
