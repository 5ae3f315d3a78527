"""How the rows of new subwords should begin: the ways of `hf-mplm tokenizer extend`, by held-out bits per character.

    python -m examples.vocabulary_initializations --model MODEL --corpus VERSES --languages ewe_Latn --output study

MODEL is a masked-LM checkpoint with XLM-R's kind of tokenizer. Its vocabulary is cut first, to what the languages'
text and that of `--keep` use, so that a step is cheap. Every other sentence of a language teaches the new subwords;
the rest is trained on, but for the held-out ones. All ways share text, draws and masks. What is finished is not done
again, and more `--steps` go on from where a run stood. `OUTPUT/bits.md` has the table, after every run.

Bits per character are the masked LM's held-out loss in bits times the tokens of a character. They compare vocabularies
only roughly, because the smaller the tokens, the more of a masked one its neighbours tell.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from examples.commands import run
from hf_mplm.data import held_out_text, iter_corpus, load_store


WAYS = ("none", "mean", "subwords", "similar", "normal")


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="masked-LM checkpoint to grow")
    parser.add_argument("--corpus", type=Path, required=True, help="text of the new languages, as for hf-mplm prepare")
    parser.add_argument("--languages", nargs="+", required=True, help="new languages, each by itself")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--keep", nargs="*", default=[], help="more text whose subwords stay")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="none: the vocabulary is not grown"
    )
    parser.add_argument("--steps", nargs="+", type=int, default=[100, 1000], help="each is measured, and 0")
    parser.add_argument("--new_pieces", type=int, default=2000)
    parser.add_argument("--holdout", type=int, default=150, help="sentences")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--chunk_length", type=int, default=64)
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    for code in args.languages:
        split_text(code, args)
    start = args.output / "start"
    texts = [args.output / "to_learn", args.output / "to_train", *args.keep]
    run("tokenizer", "trim", "--model", args.model, "--corpus", *texts, "--output", start)
    # The fewest steps of everything first, so that an interruption leaves a whole table.
    for steps in sorted(args.steps):
        for code in args.languages:
            for way in args.ways:
                train(way, code, steps, start, args)
                write_table(args)
    print((args.output / "bits.md").read_text(encoding="utf-8"))


def split_text(code: str, args: argparse.Namespace) -> None:
    """Every other sentence is to learn subwords from, the others are to train on."""
    texts = [row["text"] for row in iter_corpus(args.corpus, languages=[code])]
    for number, name in enumerate(("to_learn", "to_train")):
        folder = args.output / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{code}.txt").write_text("\n".join(texts[number::2]) + "\n", encoding="utf-8")


def train(way: str, code: str, steps: int, start: Path, args: argparse.Namespace) -> None:
    """Grow the vocabulary for one language, and train on its text."""
    place = args.output / code
    output = place / way
    if (output / "trainer_state.json").is_file() and _read(output)["global_step"] >= steps:
        return
    model = start
    if way != "none":
        model = place / f"{way}-start"
        learned = ("--corpus", args.output / "to_learn", "--languages", code, "--max_new_pieces", args.new_pieces)
        more = ("--initialization", way, "--seed", args.seed, "--num_threads", 1)
        run("tokenizer", "extend", "--model", start, *learned, *more, "--output", model)
    chunks = ("--chunk_length", args.chunk_length, "--holdout", args.holdout, "--languages", code)
    text = ("--corpus", args.output / "to_train", "--tokenizer", model)
    run("prepare", *text, *chunks, "--output", _store(way, place))
    rate = ("--learning_rate", args.learning_rate, "--lr_scheduler_type", "constant_with_warmup", "--warmup_steps", 20)
    size = ("--max_steps", steps, "--per_device_train_batch_size", args.batch_size, "--seed", args.seed)
    measured = ("--eval_on_start", "--eval_mask_draws", 4, "--save_steps", min(args.steps), "--save_total_limit", 1)
    data = ("--method", "mlm", "--model", model, "--store", _store(way, place), "--output", output)
    run("pretrain", *data, *rate, *size, *measured, "--disable_tqdm", "true", "--use_cpu")


def write_table(args: argparse.Namespace) -> None:
    """A line a way, a column a number of steps, for each language."""
    lines = []
    for code in args.languages:
        lines += [f"| {code} | tokens a character | {' | '.join(f'{steps:,} steps' for steps in [0, *args.steps])} |"]
        lines += ["|---" * (2 + 1 + len(args.steps)) + "|"]
        for way in args.ways:
            if not (args.output / code / way / "trainer_state.json").is_file():
                continue
            text = held_out_text(load_store(_store(way, args.output / code)))[code]
            rate = text.tokens / text.characters
            losses = {
                record["step"]: record[f"eval_loss_{code}"]
                for record in _read(args.output / code / way)["log_history"]
                if f"eval_loss_{code}" in record
            }
            bits = [
                f"{losses[steps] / math.log(2) * rate:.3f}" if steps in losses else "-" for steps in [0, *args.steps]
            ]
            lines.append(f"| {way} | {rate:.3f} | {' | '.join(bits)} |")
        lines.append("")
    (args.output / "bits.md").write_text("\n".join(lines), encoding="utf-8")


def _store(way: str, place: Path) -> Path:
    # Text is cut alike however the new rows begin.
    return place / f"store-{'old' if way == 'none' else 'grown'}"


def _read(output: Path) -> dict:
    return json.loads((output / "trainer_state.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
