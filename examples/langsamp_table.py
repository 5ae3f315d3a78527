"""LangSAMP's main table in miniature: from text to a table that compares the start, plain training and LangSAMP.

python -m examples.langsamp_table --model FacebookAI/xlm-roberta-base --corpus text --data_dir data --output table

Every step is a command of `hf-mplm`, which is printed, so that any of them can be typed alone; the same line goes on
where it was stopped. Text and benchmarks are the package's sample by default, whose test sentences are not trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from examples.commands import run
from hf_mplm.sample import write_benchmark, write_corpus


METHODS = ("baseline", "langsamp")


def main() -> None:
    """Prepare once, train twice, measure three times, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="an XLM-R, BERT or ModernBERT masked-LM checkpoint")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="what `hf-mplm prepare` reads; the sample by default")
    parser.add_argument("--data_dir", type=Path, help="a folder a benchmark; the sample's by default")
    parser.add_argument("--tasks", nargs="+", default=["sib200", "flores"])
    parser.add_argument("--max_steps", type=int, default=1000)
    parser.add_argument("--chunk_length", type=int, default=512)
    parser.add_argument("--holdout", type=int, default=100, help="held-out sentences of a language")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--train_flags", nargs=argparse.REMAINDER, default=[], help="last: more flags of pretrain")
    args = parser.parse_args()

    corpus = args.corpus or write_corpus(args.output / "text")
    data = args.data_dir or args.output / "data"
    if args.data_dir is None:
        write_benchmark(data)
    store = args.output / "store"
    sizes = ("--chunk_length", args.chunk_length, "--holdout", args.holdout)
    run("prepare", "--corpus", corpus, "--tokenizer", args.model, "--output", store, *sizes)

    models = {"start": args.model}
    for method in METHODS:
        models[method] = args.output / "models" / method
        start = ("--config", method, "--model", args.model, "--store", store, "--output", models[method])
        if not (models[method] / "config.json").is_file():
            run("pretrain", *start, "--max_steps", args.max_steps, "--seed", args.seed, *args.train_flags)
    for name, model in models.items():
        measured = ("--tasks", *args.tasks, "--transfer_settings", "probe", "--data_dir", data)
        run("evaluate", "--model", model, *measured, "--output", args.output / "runs" / name)
    runs = [args.output / "runs" / name for name in models]
    run("compare", *runs, "--names", *models, "--output", args.output / "comparison")


if __name__ == "__main__":
    main()
