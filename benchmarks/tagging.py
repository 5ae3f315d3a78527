"""Scoring of tagging against padding to the window.

    python -m benchmarks.tagging                                  # whole test sets: hours on a small machine
    python -m benchmarks.tagging --languages 3 --sentences 40     # the same comparison on a part of them

The plain way is that of the papers' scripts: each word is tokenised by a call of its own, each sentence is padded to
the window of 256 tokens, batches follow the order of the file, and the logits of all tokens are copied to the host.
Both sides share one set of weights and are timed in turn, tokenisation included; their predictions must be the same.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    XLMRobertaConfig,
    XLMRobertaForTokenClassification,
)

from benchmarks._encoders import DATA_DIR
from benchmarks._report import report
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, train_tokenizer
from hf_mplm.evaluation.benchmarks import ner, pos
from hf_mplm.evaluation.encoder import default_device
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.files.tagged import TaggedSentence
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings, predict


TASKS: dict[str, Any] = {"ner": ner.TASK, "pos": pos.TASK}
WINDOW = 256
PLAIN_BATCH = 32
VOCAB_SIZE = 32_000
# Rounding differs between batch shapes, and with random weights some logits are all but equal.
SAME_PREDICTIONS = 0.995


def make_model(task: str, vocab_size: int, layers: int) -> PreTrainedModel:
    """XLM-R base with random weights, which cost what learned ones cost."""
    config = XLMRobertaConfig(
        vocab_size=vocab_size,
        num_hidden_layers=layers,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    config.num_labels = {"ner": len(ner.LABELS), "pos": len(pos.LABELS)}[task]
    torch.manual_seed(0)
    return XLMRobertaForTokenClassification(config).eval().to(default_device())


def ours(task: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Any]) -> list[int]:
    """One label a word, by the task itself."""
    settings = FineTuningSettings(1e-5, num_train_epochs=1, batch_size=8, max_length=WINDOW)
    evaluated = TASKS[task]
    features = evaluated.features(examples, tokenizer, settings, train=False)
    predictions = predict(
        model, features.rows, collate=lambda rows: evaluated.collate(rows, tokenizer), decode=evaluated.decode
    )
    return [label for labels in evaluated.join(examples, features, predictions) for label in labels]


def plain(task: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, examples: Sequence[Any]) -> list[int]:
    """The same, padded to the window."""
    rows = [_plain_words(example, tokenizer) for example in examples]
    predicted = []
    for start in range(0, len(rows), PLAIN_BATCH):
        batch = rows[start : start + PLAIN_BATCH]
        ids = torch.full((len(batch), WINDOW), tokenizer.pad_token_id)
        for number, (row, _) in enumerate(batch):
            ids[number, : len(row)] = torch.tensor(row)
        ids = ids.to(model.device)
        with torch.inference_mode():
            mask = (ids != tokenizer.pad_token_id).long()
            logits = model(input_ids=ids, attention_mask=mask).logits.cpu().numpy()
        for number, (_, positions) in enumerate(batch):
            predicted.extend(logits[number][positions].argmax(-1).tolist())
    return predicted


def _plain_words(example: TaggedSentence, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    ids, positions = [tokenizer.bos_token_id], []
    for word in example.words:
        positions.append(len(ids))
        pieces: Any = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word))
        ids += pieces or [tokenizer.unk_token_id]
    return [*ids, tokenizer.eos_token_id], positions


def read(task: str, languages: int | None, sentences: int | None) -> tuple[list[Any], list[str]]:
    """Test examples of the first languages, and all of their texts to train a tokenizer on."""
    corpus = TASKS[task].corpus(DATA_DIR)
    codes = corpus.languages()[:languages]
    tests = {code: corpus.examples(code, "test") for code in codes}
    texts = [text_of(example) for code in codes for example in tests[code]]
    for code in codes:
        with contextlib.suppress(MissingDataError):
            texts.extend(text_of(example) for example in corpus.examples(code, "train"))
    return [example for code in codes for example in tests[code][:sentences]], texts


def make_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """A tokenizer with about as many subwords a word as XLM-R's."""
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(texts, Path(folder), vocab_size=VOCAB_SIZE)
        return load_tokenizer(Path(folder))


def text_of(example: TaggedSentence) -> str:
    return " ".join(example.words)


def measure(
    task: str, examples: list[Any], tokenizer: PreTrainedTokenizerBase, layers: int, repeat: int
) -> dict[str, object]:
    """Seconds of both sides."""
    # The plain way cuts longer sentences, so that there would be nothing to compare.
    examples = [e for e in examples if len(_plain_words(e, tokenizer)[0]) <= WINDOW]
    model = make_model(task, len(tokenizer), layers)
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    found: dict[str, list[int]] = {}
    for _ in range(repeat):
        for name, function in (("plain", plain), ("ours", ours)):
            start = time.perf_counter()
            found[name] = function(task, model, tokenizer, examples)
            seconds[name].append(time.perf_counter() - start)
    same = float(np.mean(np.array(found["plain"]) == np.array(found["ours"])))
    if len(found["plain"]) != len(found["ours"]) or same < SAME_PREDICTIONS:
        raise RuntimeError(f"{task}: the two sides agree on {same:.1%} of their predictions only")
    before, after = statistics.median(seconds["plain"]), statistics.median(seconds["ours"])
    tokens = sum(len(tokenizer(text_of(example))["input_ids"]) for example in examples)
    return {
        "task": task,
        "device": model.device.type,
        "layers": layers,
        "examples": len(examples),
        "tokens_an_example": tokens / len(examples),
        "window": WINDOW,
        "plain_seconds": before,
        "seconds": after,
        "times_faster": before / after,
        "same_predictions": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS), help="of ner and pos")
    parser.add_argument("--languages", type=int, help="the first so many languages of each task")
    parser.add_argument("--sentences", type=int, help="the first so many sentences of each language")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    data = {task: read(task, arguments.languages, arguments.sentences) for task in TASKS}
    tokenizer = make_tokenizer(text for _, texts in data.values() for text in texts)
    rows = [
        measure(task, data[task][0], tokenizer, arguments.layers, arguments.repeat)
        for task in arguments.tasks.split(",")
    ]
    report("tagging", rows)


if __name__ == "__main__":
    main()
