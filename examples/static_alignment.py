"""An encoder aligned across languages by static word vectors: the paper's Tatoeba table in miniature.

    hf-mplm static map --static extracted --dictionary lexicons/*.tsv --output mapped
    python examples/static_alignment.py --model MODEL --static mapped --output runs/static-alignment --max_steps 300

From one start and for as many steps: masked LM alone (which tells the alignment from the additional training), the
mean squared error towards vectors of length 1 and of the encoder's own length, DCCA, and what the published code
computes. All are measured by retrieval of SIB-200's test sentences from English, which are never trained on. What is
finished is not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hf_mplm import StaticAlignmentArguments, StaticAlignmentTrainer, load_masked_lm, load_tokenizer, prepare_store
from hf_mplm.evaluation import evaluate
from hf_mplm.report import compare_runs, write_comparison
from hf_mplm.sample import sample_languages, write_benchmark, write_corpus
from hf_mplm.static import StaticEmbeddings


RUNS = {
    "mlm": {"align_weight": 0.0},
    "mse": {"loss": "mse"},
    "mse-encoder": {"loss": "mse", "target_scale": "encoder"},
    "dcca": {"loss": "dcca"},
    "published": {"loss": "subspace", "pool_special_tokens": True},
}


def align(name: str, static: StaticEmbeddings, store, args: argparse.Namespace) -> Path:
    """The encoder after `max_steps` of one of the runs."""
    output = args.output / name
    if (output / "config.json").is_file():
        return output
    settings = StaticAlignmentArguments(
        output_dir=str(output),
        max_steps=args.max_steps,
        per_device_train_batch_size=args.batch_size,
        words_per_step=args.words_per_step,
        learning_rate=args.learning_rate,
        save_strategy="no",
        seed=args.seed,
        **RUNS[name],
    )
    trainer = StaticAlignmentTrainer(load_masked_lm(args.model), settings, words=static.word_vectors(), store=store)
    trainer.train()
    trainer.save_finished()
    return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="masked-LM checkpoint to start from")
    parser.add_argument("--static", type=Path, required=True, help="static embeddings in one space")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="text for masked LM; the sample's by default")
    parser.add_argument("--data_dir", type=Path, help="benchmark data; the sample's by default")
    parser.add_argument("--languages", nargs="+", help="those of the vectors by default")
    parser.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--max_steps", type=int, default=300)
    parser.add_argument("--batch_size", type=int, default=16, help="chunks of 128 tokens")
    parser.add_argument("--words_per_step", type=int, default=1024)
    parser.add_argument("--learning_rate", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()

    static = StaticEmbeddings.from_pretrained(args.static)
    known = sample_languages() if args.data_dir is None else static.languages
    languages = args.languages or [code for code in static.languages if code in known]
    corpus = args.corpus or write_corpus(args.output / "corpus", languages)
    data_dir = args.data_dir or write_benchmark(args.output / "data", languages)
    store = prepare_store(corpus, load_tokenizer(args.model), args.output / "store", chunk_length=128)
    models = {"start": args.model} | {name: align(name, static, store, args) for name in args.runs}
    runs = [
        evaluate(str(model), "flores", data_dir, languages, args.output / "results" / name)
        for name, model in models.items()
    ]
    for path in write_comparison(args.output / "comparison", compare_runs(runs), list(models)):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
