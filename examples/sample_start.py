"""Make the pretrained encoder that ships with the package, `hf_mplm/sample/start.safetensors`.

The first layers of multilingual-e5-small (MIT) stay as they are. Its vocabulary is cut to the subwords of some
languages of the sample, and an LM head is trained on text of those that it knows well, with the encoder frozen but for
the row of `<mask>`. The languages that the quickstart shall teach it stay out of that training.

    python -m examples.sample_start --model intfloat/multilingual-e5-small --work /tmp/start --output hf_mplm/sample
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoTokenizer, BertForMaskedLM

from hf_mplm import MaskedLMTrainer, MaskedLMTrainingArguments, load_masked_lm, prepare_store
from hf_mplm.evaluation import evaluate
from hf_mplm.sample import START_FILE, pack_start, write_benchmark, write_corpus, write_start


KNOWN = "arb_Arab ell_Grek eng_Latn hin_Deva ind_Latn kaz_Cyrl rus_Cyrl spa_Latn swh_Latn tur_Latn".split()
NEW = "bam_Latn kin_Latn quy_Latn uig_Arab wol_Latn yor_Latn".split()


def first_layers(source: str, folder: Path, layers: int) -> None:
    """The lower part of an encoder, with a head that hands its states on as they are."""
    config = AutoConfig.from_pretrained(source, trust_remote_code=False, num_hidden_layers=layers)
    config.update({"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "tie_word_embeddings": True})
    model = BertForMaskedLM.from_pretrained(source, trust_remote_code=False, config=config, dtype=torch.float32)
    transform = model.cls.predictions.transform.dense
    torch.nn.init.eye_(transform.weight)
    torch.nn.init.zeros_(transform.bias)
    torch.nn.init.zeros_(model.cls.predictions.bias)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, trust_remote_code=False).save_pretrained(folder)


def train_head(start: Path, corpus: Path, folder: Path, steps: int) -> None:
    """An LM head on the frozen encoder; its bias begins at the log-probabilities of the words of the text."""
    store = prepare_store(corpus, start, folder.with_name("store"), chunk_length=128, holdout=35, languages=KNOWN)
    model = load_masked_lm(start)
    counts = Counter(token for row in store.train["input_ids"] for token in row)
    seen = np.array([counts[token] for token in range(model.config.vocab_size)], dtype=np.float64) + 0.5
    embeddings = model.get_input_embeddings().weight
    model.cls.predictions.bias.data.copy_(torch.from_numpy(np.log(seen / seen.sum())))
    mask = torch.zeros(len(embeddings), 1)
    mask[AutoTokenizer.from_pretrained(start, trust_remote_code=False).mask_token_id] = 1
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("cls.") or parameter is embeddings
    embeddings.register_hook(lambda gradient: gradient * mask)
    arguments = MaskedLMTrainingArguments(
        output_dir=str(folder.with_name("run")),
        max_steps=steps,
        per_device_train_batch_size=16,
        learning_rate=2e-3,
        warmup_steps=0.05,
        alpha="1.0",
        mask_rate="0.3",
        eval_mask_rate=0.15,
        save_strategy="no",
        use_cpu=True,
    )
    trainer = MaskedLMTrainer(model, arguments, store=store)
    trainer.train()
    print("held out, after", trainer.evaluate())
    trainer.save_model(str(folder))


def measure(models: dict[str, Path], data: Path) -> None:
    """What rounding costs: retrieval from English, and the largest change of a weight."""
    before, after = (load_file(path / "model.safetensors") for path in models.values())
    for part in ("encoder.layer", "word_embeddings", "LayerNorm", "cls."):
        changes = [np.abs(before[name] - after[name]).max() for name in after if part in name]
        print(f"largest change of a weight of {part}: {max(changes):.2e}")
    for name, path in models.items():
        rows = evaluate(str(path), "flores", data, [*KNOWN, *NEW], retrieval_settings=["plain", "centred"])
        for group, codes in (("known", KNOWN), ("new", NEW)):
            for setting in ("plain", "centred"):
                chosen = [r.value for r in rows if (r.setting, r.metric) == (setting, "accuracy@1")
                          and r.language in codes]  # fmt: skip
                print(f"{name}: {group}, {setting} top-1 {np.mean(chosen):.4f} ({len(chosen)} languages)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="multilingual-e5-small: a folder or an id on the Hub")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made on the way")
    parser.add_argument("--output", type=Path, required=True, help=f"folder for {START_FILE}")
    parser.add_argument("--layers", type=int, default=8, help="layers that are kept")
    parser.add_argument("--min_count", type=int, default=3, help="subwords that occur less often are cut")
    parser.add_argument("--steps", type=int, default=60, help="steps of 2,048 tokens for the head")
    args = parser.parse_args()
    work = args.work
    corpus = write_corpus(work / "corpus", [*KNOWN, *NEW])
    data = write_benchmark(work / "data", [*KNOWN, *NEW])
    first_layers(args.model, work / "layers", args.layers)
    trim = ["tokenizer", "trim", "--model", work / "layers", "--corpus", corpus, "--output", work / "trimmed"]
    trim += ["--min_count", args.min_count, "--characters", "text"]
    subprocess.run([sys.executable, "-m", "hf_mplm", *map(str, trim)], check=True)
    train_head(work / "trimmed", corpus, work / "with-head", args.steps)
    path = pack_start(work / "with-head", args.output / START_FILE, [*KNOWN, *NEW])
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    measure({"before": work / "with-head", "after": write_start(work / "written", path)}, data)


if __name__ == "__main__":
    main()
