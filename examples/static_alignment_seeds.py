"""The recipes of static alignment over several seeds, measured by `evaluate-static`: means and their spread.

    hf-mplm prepare --corpus text --tokenizer MODEL --chunk_length 64 --holdout 50 --output store
    python -m examples.static_alignment_seeds --model MODEL --store store --static mapped --data_dir data --output runs

Each run is `hf-mplm align-static` and `hf-mplm evaluate` in processes of their own. What is finished is not done
again: the same command goes on after any interruption, and with more `--seeds` it adds these. All recipes have one
seed before any has the next. `OUTPUT/seeds.md` has a line for each recipe, after each run, with its seeds so far.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

import torch

from examples.commands import run
from hf_mplm.evaluation import read_results


RUNS = {
    "mlm": ["static-mlm"],
    "x2s-dcca": ["static-x2s-dcca"],
    "published": ["static-published"],
    "x2s-mse": ["static-x2s-mse"],
    "x2s-mse-encoder": ["static-x2s-mse", "--target_scale", "encoder"],
}


def align(name: str, seed: int, args: argparse.Namespace) -> Path:
    """The encoder after `max_steps` of one of the runs."""
    output: Path = args.output / "models" / f"{name}-{seed}"
    if not (output / "config.json").is_file():
        recipe, *flags = RUNS[name]
        data = ["--model", args.model, "--store", args.store, "--static", args.static, "--output", output]
        size = ["--per_device_train_batch_size", args.batch_size, "--words_per_step", args.words_per_step]
        plain = ["--eval_strategy", "no", "--load_best_model_at_end", "false", "--save_strategy", "no"]
        steps = ["--max_steps", args.max_steps, "--seed", seed]
        # Trainer takes bfloat16 without an accelerator only where it is told that none is wanted.
        precision = ["--bf16", *([] if torch.accelerator.is_available() else ["--use_cpu"])]
        run("align-static", "--config", recipe, *flags, *data, *size, *plain, *steps, *precision, *args.train_flags)
    return output


def evaluate(model: Path | str, output: Path, args: argparse.Namespace) -> None:
    """Retrieval and topics from English, and verses from `--bible_source`; what was measured is not done again."""
    common = ["evaluate", "--config", "evaluate-static", "--model", model, "--data_dir", args.data_dir, "--seeds", 42]
    common += ["--max_sentences", json.dumps({"tatoeba": 300, "bible": 500})]
    main = ["--transfer_settings", "probe", "--languages", *args.languages, "--tasks", *args.tasks]
    run(*common, *main, "--output", output / "main")
    if args.bible_source:
        verses = ["--source_languages", args.bible_source, "--languages", *args.bible_languages]
        run(*common, *verses, "--tasks", "bible", "--output", output / "bible")


def table(folders: dict[str, list[Path]]) -> list[str]:
    """Mean over seeds of the mean over languages in percent, and the standard deviation over seeds."""
    scores: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in folders}
    for name, seeds in folders.items():
        for folder in seeds:
            values = defaultdict(list)
            for path in sorted(folder.glob("*/results.parquet")):
                for row in read_results(path):
                    if row.metric in ("accuracy@1", "macro_f1", "accuracy"):
                        values[f"{row.task} {row.metric}"].append(100 * row.value)
            for measured, numbers in values.items():
                scores[name][measured].append(statistics.mean(numbers))
    measured = sorted({column for columns in scores.values() for column in columns})
    rows = [("", "seeds", *measured)]
    for name, columns in scores.items():
        cells = []
        for column in measured:
            numbers = columns.get(column, [])
            spread = f" +- {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else ""
            cells.append(f"{statistics.mean(numbers):.1f}{spread}" if numbers else "-")
        rows.append((name, str(len(folders[name])), *cells))
    rows.insert(1, ("---",) * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="masked-LM checkpoint to start from")
    parser.add_argument("--store", required=True, help="token store for masked LM")
    parser.add_argument("--static", required=True, help="static embeddings in one space")
    parser.add_argument("--data_dir", required=True, help="benchmark data")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", required=True, help="languages that are measured")
    parser.add_argument("--tasks", nargs="+", default=["tatoeba", "flores", "sib200"])
    parser.add_argument("--bible_source", help="language whose verses are looked up; no verses without it")
    parser.add_argument("--bible_languages", nargs="+", default=[])
    parser.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44])
    parser.add_argument("--max_steps", type=int, default=60)
    parser.add_argument("--batch_size", type=int, default=8, help="chunks of a step")
    parser.add_argument("--words_per_step", type=int, default=512)
    parser.add_argument("--train_flags", nargs=argparse.REMAINDER, default=[], help="last: more flags of align-static")
    args = parser.parse_args()
    if args.bible_source and not args.bible_languages:
        parser.error("--bible_source needs --bible_languages")

    results = args.output / "results"
    evaluate(args.model, results / "start", args)
    folders: dict[str, list[Path]] = {"start": [results / "start"]}
    for seed in args.seeds:
        for name in args.runs:
            folder = results / f"{name}-{seed}"
            evaluate(align(name, seed, args), folder, args)
            folders.setdefault(name, []).append(folder)
            # After each run, so that an interruption leaves the table of what there is.
            (args.output / "seeds.md").write_text("\n".join(table(folders)) + "\n", encoding="utf-8")
    print("\n".join(table(folders)))


if __name__ == "__main__":
    main()
