"""Sizes and sentences per second of an encoder in torch, as ONNX and as ONNX with int8 weights, on one thread.

    pip install "hf-mplm[export]"
    python -m benchmarks.export --model MODEL --sentences 200

All encode the same sentences in batches of the same number of tokens, one after the other in each repeat, so that
whatever else the machine does falls on all alike. The first line computes all layers, the others stop at one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks._encoders import make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.evaluation.encoder import View
from hf_mplm.evaluation.measured import load_encoder
from hf_mplm.hub.exporting.onnx_encoder import OnnxEncoder
from hf_mplm.hub.exporting.onnx_export import export_onnx
from hf_mplm.sample import iter_sample


LANGUAGES = ("eng_Latn", "arb_Arab", "hin_Deva", "swh_Latn", "tha_Thai", "zho_Hans")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="Hub id or folder; XLM-R base with random weights by default")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts = {code: [row.text for row in iter_sample([code], split="test")] for code in LANGUAGES}
    chosen = [text for rows in zip(*texts.values()) for text in rows][: args.sentences]
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or _random_encoder(Path(folder) / "model")
        measured = export_onnx(
            model, Path(folder) / "onnx", {code: own[:20] for code, own in texts.items()}, int8=True, with_pooling=True
        )
        encoder = load_encoder(model)
        depth = int(encoder.model.config.num_hidden_layers)
        limit = encoder.max_length
        graphs = [OnnxEncoder(Path(folder) / "onnx", one.file, max_length=limit, num_threads=1) for one in measured]
        ways = {
            f"torch, all {depth} layers": lambda: encoder.encode_views(chosen, [View(depth, "mean")]),
            f"torch, to layer {encoder.layer}": lambda: encoder.encode(chosen),
            f"ONNX, to layer {encoder.layer}": lambda: graphs[0].encode(chosen),
            f"ONNX int8, to layer {encoder.layer}": lambda: graphs[1].encode(chosen),
        }
        weights = sum(value.numel() * value.element_size() for value in encoder.model.state_dict().values())
        sizes = [weights, weights, *(one.bytes for one in measured)]
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for repeat in range(args.repeats + 1):
            for name, encode in ways.items():
                start = time.perf_counter()
                encode()
                if repeat:  # the first time warms up
                    seconds[name].append(time.perf_counter() - start)
        base = seconds[f"torch, to layer {encoder.layer}"]
        report(
            "export",
            [
                {
                    "encoder": name,
                    "MB": size / 1e6,
                    "sentences/s": len(chosen) / statistics.median(own),
                    "times torch to the layer": statistics.median(one / other for one, other in zip(base, own)),
                    "accuracy@1": accuracy,
                }
                for (name, own), size, accuracy in zip(
                    seconds.items(),
                    sizes,
                    [None, measured[0].torch_accuracy, *(one.accuracy for one in measured)],
                )
            ],
        )


def _random_encoder(folder: Path) -> Path:
    tokenizer = make_tokenizer(text.text for text in iter_sample(split="train"))
    make_encoder(len(tokenizer), 12).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
