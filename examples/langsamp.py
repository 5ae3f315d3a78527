"""LangSAMP in Python: from a folder of text to an encoder, in a minute on the sample that ships with the package.

python examples/langsamp.py --output runs/langsamp
python examples/langsamp.py --output runs/langsamp --model FacebookAI/xlm-roberta-base --corpus TEXT
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hf_mplm import (
    MaskedLMTrainer,
    MaskedLMTrainingArguments,
    load_masked_lm,
    load_tokenizer,
    prepare_store,
    train_tokenizer,
)
from hf_mplm.data import iter_corpus, save_tokenizer
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from hf_mplm.sample import write_corpus
from hf_mplm.trainers import build_encoder


LANGUAGES = ["eng_Latn", "swh_Latn", "rus_Cyrl", "hin_Deva", "tha_Thai"]


def start(corpus: Path, output: Path) -> str:
    """A tokenizer and a small encoder with random weights, for when no checkpoint is given."""
    tokenizer = train_tokenizer(iter_corpus(corpus), output / "tokenizer", vocab_size=3000)
    model = build_encoder(tokenizer, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256)
    model.save_pretrained(output / "start")
    save_tokenizer(tokenizer, output / "start")
    return str(output / "start")


def main() -> None:
    """Prepare, train, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, help="a folder of CODE.txt files; the package's sample by default")
    parser.add_argument("--model", help="any XLM-R masked-LM checkpoint; a small random one by default")
    parser.add_argument("--max_steps", type=int, default=200)
    args = parser.parse_args()

    corpus = args.corpus or write_corpus(args.output / "corpus", LANGUAGES)
    model = args.model or start(corpus, args.output)
    store = prepare_store(corpus, load_tokenizer(model), args.output / "store", chunk_length=128, holdout=20)

    trainer = MaskedLMTrainer(
        XLMRobertaForLangScriptMLM.from_encoder(model, languages=store.languages),
        MaskedLMTrainingArguments(
            output_dir=str(args.output / "model"),
            max_steps=args.max_steps,
            per_device_train_batch_size=16,
            learning_rate=1e-3,
            logging_steps=50,
        ),
        store=store,
    )
    trainer.train()
    print({name: round(value, 3) for name, value in trainer.evaluate().items() if "loss" in name})
    trainer.save_model()

    trained = load_masked_lm(args.output / "model")
    print("nearest to", store.languages[0], trained.nearest_languages(store.languages[0], among=store.languages))
    trained.export_encoder(args.output / "encoder", tokenizer=load_tokenizer(model))


if __name__ == "__main__":
    main()
