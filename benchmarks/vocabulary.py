"""Cutting and growing a vocabulary of 250,000 subwords, and a training step before and after it is cut.

    python -m benchmarks.vocabulary --tokenizer MODEL                                # 12 layers of 384
    python -m benchmarks.vocabulary --tokenizer MODEL --hidden_size 768 --name xlmr  # XLM-R base's shape

MODEL holds XLM-R's tokenizer; without it the vocabulary is made up, around subwords of the texts. Weights are random,
which cost what learned ones cost. The model is cut to the subwords of the Universal Declaration of Human Rights in 30
languages, and grown by what is learned from Bible verses in two more. Beside it stands what one would type
otherwise, `add_tokens` and `resize_token_embeddings`, and the floor of both, which is to read the model and to write
it. Seconds are the processor's, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerBase, XLMRobertaForMaskedLM

from benchmarks._encoders import DATA_DIR, VOCAB_SIZE, encoder_config
from benchmarks._report import report
from benchmarks.masked_lm_step import batch_of, step_of, useful_flops
from hf_mplm.data.corpus.corpora import iter_corpus
from hf_mplm.data.corpus.sources import ReadOptions
from hf_mplm.data.tokenizing.extension import extend_tokenizer
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, save_tokenizer, train_tokenizer
from hf_mplm.modeling.stock import load_masked_lm, masked_only
from hf_mplm.trainers.vocabulary.extension import extend_encoder
from hf_mplm.trainers.vocabulary.trimming import trim_encoder


SIZE = 250_002
OLD = (
    "eng_Latn spa_Latn fra_Latn por_Latn ita_Latn deu_Latn nld_Latn pol_Latn ces_Latn rus_Cyrl ukr_Cyrl tur_Latn "
    "fin_Latn hun_Latn ell_Grek heb_Hebr arb_Arab pes_Arab urd_Arab hin_Deva ben_Beng tam_Taml tel_Telu tha_Thai "
    "vie_Latn ind_Latn swh_Latn kor_Hang jpn_Jpan amh_Ethi"
).split()
NEW = ["ewe_Latn", "kab_Latn"]
Result = TypeVar("Result")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", help="folder or Hub id of XLM-R's tokenizer; a made-up vocabulary by default")
    parser.add_argument("--udhr", type=Path, default=DATA_DIR / "udhr", help="text that the model is cut to")
    parser.add_argument(
        "--verses", type=Path, default=DATA_DIR / "bible", help="text that it learns new subwords from"
    )
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=384)
    parser.add_argument("--new_pieces", type=int, default=8000)
    parser.add_argument("--shape", default="8x128", help="rows x tokens of a step")
    parser.add_argument("--repeats", type=int, default=5, help="steps, after one that is not counted")
    parser.add_argument("--skip", nargs="*", choices=["extend", "step"], default=[])
    parser.add_argument("--name", default="vocabulary")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_model(folder / "old", args)
        rows = []
        for row in resizing(folder, args):
            rows.append(row)
            print(f"{row['way']}: {row['s']:.1f} s", flush=True)
            # The step needs no more than the first two.
            if row["way"] == "trim" and "step" not in args.skip:
                report(f"{args.name}_step", list(steps(folder, args)))
        report(args.name, rows)


def write_model(folder: Path, args: argparse.Namespace) -> None:
    """A masked LM with random weights over 250,002 subwords."""
    if args.tokenizer:
        tokenizer = load_tokenizer(args.tokenizer)
    else:
        texts = [row["text"] for row in iter_corpus(args.udhr)]
        core = train_tokenizer(texts, folder / "core", vocab_size=VOCAB_SIZE)
        letters = random.Random(0)
        made_up: dict[str, None] = {}
        while len(core) + len(made_up) < SIZE:
            made_up["▁" + "".join(letters.choices(string.ascii_lowercase, k=9))] = None
        tokenizer = extend_tokenizer(core, made_up, folder / "whole")
    torch.manual_seed(0)
    model = XLMRobertaForMaskedLM(encoder_config(len(tokenizer), args.layers, args.hidden_size))
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def resizing(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """What each way of changing the vocabulary costs, and what comes out."""
    old, verses = folder / "old", ReadOptions(languages=tuple(NEW))
    texts = {
        "old": [row["text"] for row in iter_corpus(args.udhr, languages=OLD)],
        "new": [row["text"] for row in iter_corpus(args.verses, languages=NEW)],
    }

    def extend(initialization: str, output: Path) -> None:
        extend_encoder(
            old,
            output,
            corpus=args.verses,
            options=verses,
            max_new_pieces=args.new_pieces,
            initialization=initialization,
            num_threads=1,
        )

    # What the plain way adds: the same subwords, as our own extension found them.
    def add_tokens(output: Path) -> None:
        tokenizer, model = load_tokenizer(old), load_masked_lm(old)
        learned, known = load_tokenizer(folder / "extend (mean)").get_vocab(), tokenizer.get_vocab()
        tokenizer.add_tokens([piece.replace("▁", " ") for piece in learned if piece not in known])
        model.resize_token_embeddings(len(tokenizer))
        model.save_pretrained(output)
        tokenizer.save_pretrained(output)

    ways: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "read and write": ("old", lambda output: _copy(old, output)),
        "trim": ("old", lambda output: trim_encoder(old, args.udhr, output, ReadOptions(languages=tuple(OLD)))),
    }
    if "extend" not in args.skip:
        ways["extend (mean)"] = ("new", lambda output: extend("mean", output))
        ways["extend (similar)"] = ("new", lambda output: extend("similar", output))
        ways["add_tokens, resize_token_embeddings"] = ("new", add_tokens)
    floor = None
    for name, (text, way) in ways.items():
        _, seconds = timed(lambda way=way, name=name: way(folder / name))
        floor = floor or seconds
        tokenizer, model = load_tokenizer(folder / name), load_masked_lm(folder / name)
        tokens, encoding = timed(lambda own=tokenizer, text=text: _count_tokens(own, texts[text]))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        yield {
            "way": name,
            "s": seconds,
            "times reading and writing": seconds / floor,
            "subwords": len(tokenizer),
            "million parameters": parameters / 1e6,
            "MB in fp32": 4 * parameters / 1e6,
            "text": text,
            "tokens of the text": tokens,
            "s to cut the text": encoding,
        }
        del model
        gc.collect()


def steps(folder: Path, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A step of training before and after, in turns, and what their FLOPs say."""
    rows, length = (int(part) for part in args.shape.split("x"))
    models = {name: masked_only(load_masked_lm(folder / name).train()) for name in ("read and write", "trim")}
    flops = [useful_flops(model, rows, length) for model in models.values()]
    for with_optimizer in (False, True):
        seconds: dict[str, list[float]] = {name: [] for name in models}
        optimizers = {
            name: torch.optim.AdamW(model.parameters(), fused=True) if with_optimizer else None
            for name, model in models.items()
        }
        torch.manual_seed(1)
        for repeat in range(args.repeats + 1):
            for name, model in models.items():
                batch = batch_of(model.config.vocab_size, rows, length, "cpu")
                step = step_of(model, optimizers[name], "cpu")
                _, elapsed = timed(lambda step=step, batch=batch: step(batch))
                if repeat:
                    seconds[name].append(elapsed)
        before, after = seconds.values()
        sizes = [model.config.vocab_size for model in models.values()]
        yield {
            "step": "with optimizer" if with_optimizer else "forward+backward",
            "batch": args.shape,
            "subwords before": sizes[0],
            "subwords after": sizes[1],
            "s before": statistics.median(before),
            "s after": statistics.median(after),
            "speedup": statistics.median(one / other for one, other in zip(before, after)),
            "FLOPs before / after": flops[0] / flops[1],
        }
        del optimizers
        gc.collect()


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and the processor's seconds in this process."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def _copy(source: Path, output: Path) -> None:
    load_masked_lm(source).save_pretrained(output)
    save_tokenizer(load_tokenizer(source), output)


def _count_tokens(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> int:
    return sum(map(len, tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]))


if __name__ == "__main__":
    main()
