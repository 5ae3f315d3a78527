"""Script alignment on two areal groups of languages, before and after: the paper's Table 2 in miniature.

    python examples/script_alignment.py --output runs/script-alignment                 # a small encoder trained here
    python examples/script_alignment.py --output runs/ppa --model cis-lmu/glot500-base --corpus TEXT --max_steps 2000

One encoder (given, or trained by masked LM on the sample that ships with the package) is aligned on each group. For
each group: the encoder as it was, after more masked LM on both scripts (the paper's ablation MLM, which tells the
alignment from the additional training), and after the whole alignment. All are measured by retrieval of SIB-200's test
sentences and by topic classification, from a source language of each script. Results and a comparison are written;
sentences of the test sets are never trained on. What is finished is not done again.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean

from hf_mplm import (
    MaskedLMTrainer,
    MaskedLMTrainingArguments,
    ScriptAlignmentArguments,
    ScriptAlignmentTrainer,
    load_masked_lm,
    load_tokenizer,
    prepare_pair_store,
    prepare_store,
    train_tokenizer,
)
from hf_mplm.data import Romanizer, iter_corpus, save_tokenizer
from hf_mplm.evaluation import ResultRow, evaluate
from hf_mplm.report import compare_runs, write_comparison
from hf_mplm.sample import write_benchmark, write_corpus
from hf_mplm.trainers import build_encoder


# The paper's groups (table 1), as far as SIB-200 and the sample have them, and a source language of each script.
GROUPS = {
    "mediterranean": {
        "languages": "arb_Arab ary_Arab arz_Arab pes_Arab amh_Ethi ell_Grek heb_Hebr tur_Latn mlt_Latn".split(),
        "sources": ["eng_Latn", "pes_Arab", "ell_Grek", "heb_Hebr"],
    },
    "south-east-asian": {
        "languages": "zho_Hans yue_Hant kor_Hang lao_Laoo mya_Mymr bod_Tibt tha_Thai".split(),
        "sources": ["eng_Latn", "kor_Hang", "zho_Hans", "tha_Thai"],
    },
}
ENGLISH = "eng_Latn"
# Terms beyond masked LM on both texts.
OBJECTIVES = {"mlm": (0.0, 0.0), "mlm+seq": (1.0, 0.0), "mlm+tlm": (0.0, 1.0), "mlm+seq+tlm": (1.0, 1.0)}


def train_encoder(corpus: Path, output: Path, args: argparse.Namespace) -> Path:
    """A tokenizer and a small encoder, trained by masked LM on the original text."""
    if (output / "config.json").is_file():
        return output
    romanizer = Romanizer(on_error="empty")
    # Romanised text is in the vocabulary as it is in Glot500's: by its Latin languages, and here by itself.
    texts = [row["text"] for row in iter_corpus(corpus)]
    tokenizer = train_tokenizer([*texts, *romanizer(texts)], output / "tokenizer", vocab_size=args.vocab_size)
    model = build_encoder(
        tokenizer,
        hidden_size=args.hidden_size,
        num_hidden_layers=args.num_layers,
        num_attention_heads=4,
        intermediate_size=4 * args.hidden_size,
        # At this size drawing dropout's numbers is a large part of a step on a CPU.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    store = prepare_store(corpus, tokenizer, output / "store", chunk_length=128)
    settings = arguments(output / "run", args)
    trainer = MaskedLMTrainer(
        model,
        MaskedLMTrainingArguments(max_steps=args.start_steps, mask_rate="0.3", **settings),
        store=store,
        processing_class=tokenizer,
    )
    trainer.train()
    model.save_pretrained(output)
    save_tokenizer(tokenizer, output)
    return output


def arguments(output: Path, args: argparse.Namespace) -> dict:
    """What all trainings share."""
    return {
        "output_dir": str(output),
        "per_device_train_batch_size": args.batch_size,
        "learning_rate": args.learning_rate,
        "warmup_steps": 0.1,
        "weight_decay": 0.01,
        "save_strategy": "no",
        "logging_steps": 50,
        "seed": args.seed,
    }


def align(start: Path | str, store, output: Path, objective: str, args: argparse.Namespace) -> Path:
    """The encoder after `max_steps` of an objective."""
    if (output / "config.json").is_file():
        return output
    seq_weight, tlm_weight = OBJECTIVES[objective]
    trainer = ScriptAlignmentTrainer(
        load_masked_lm(start),
        ScriptAlignmentArguments(
            max_steps=args.max_steps, seq_weight=seq_weight, tlm_weight=tlm_weight, **arguments(output, args)
        ),
        store=store,
    )
    trainer.train()
    trainer.save_model()
    return output


def table(runs: dict[str, list[ResultRow]], sources: list[str]) -> str:
    """Means over target languages, a line a model and a column a source language, as the paper's tables 4 and 5."""
    lines = []
    measured = sorted({(row.task, row.setting, row.metric) for rows in runs.values() for row in rows})
    for task, setting, metric in measured:
        lines += [
            "",
            f"{task}, {setting}, {metric}, as a fraction",
            "  ".join(["".ljust(14), *(s.rjust(9) for s in sources)]),
        ]
        for name, rows in runs.items():
            values = defaultdict(list)
            for row in rows:
                if (row.task, row.setting, row.metric) == (
                    task,
                    setting,
                    metric,
                ) and row.language != row.source_language:
                    values[row.source_language].append(row.value)
            cells = (f"{mean(values[s]):9.3f}" if values[s] else "-".rjust(9) for s in sources)
            lines.append("  ".join([name.ljust(14), *cells]))
    return "\n".join(lines)


def main() -> None:
    """Train, align, measure, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--groups", nargs="+", default=list(GROUPS), choices=list(GROUPS))
    parser.add_argument("--objectives", nargs="+", default=["mlm", "mlm+seq+tlm"], choices=list(OBJECTIVES))
    parser.add_argument("--model", help="a masked-LM checkpoint; a small one trained here by default")
    parser.add_argument("--corpus", type=Path, help="a folder of CODE.txt files; the package's sample by default")
    parser.add_argument("--data_dir", type=Path, help="a folder with sib200/; the package's sample by default")
    parser.add_argument("--start_steps", type=int, default=1500)
    parser.add_argument("--max_steps", type=int, default=400)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--vocab_size", type=int, default=12000)
    parser.add_argument("--hidden_size", type=int, default=128)
    parser.add_argument("--num_layers", type=int, default=6)
    parser.add_argument(
        "--transfer", nargs="+", default=["probe"], help="probe; zero-shot fine-tunes as the paper does"
    )
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()

    everything = [ENGLISH, *(code for group in GROUPS.values() for code in group["languages"])]
    data_dir = args.data_dir or write_benchmark(args.output / "data", everything)
    corpus = args.corpus or write_corpus(args.output / "corpus", everything)
    start = args.model or train_encoder(corpus, args.output / "start", args)
    for group in args.groups:
        languages, sources = GROUPS[group]["languages"], GROUPS[group]["sources"]
        output = args.output / group
        store = prepare_pair_store(corpus, load_tokenizer(start), output / "pairs", languages=languages)
        models = {"start": start}
        for objective in args.objectives:
            models[objective] = align(start, store, output / objective, objective, args)
        runs = {
            name: evaluate(
                str(model),
                ["flores", "sib200"],
                data_dir,
                languages,
                output / "results" / name,
                source_languages=sources,
                transfer_settings=args.transfer,
                seeds=[args.seed],
            )
            for name, model in models.items()
        }
        written = write_comparison(output / "comparison", compare_runs(list(runs.values())), list(runs))
        print(f"\n{group}, means over the other languages\n{table(runs, sources)}\n")
        print("\n".join(f"wrote {path}" for path in written))


if __name__ == "__main__":
    main()
