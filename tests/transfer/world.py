"""A base, data in the benchmarks' own formats and a token store, all tiny, for the tests of the transfer study."""

from __future__ import annotations

import importlib.util
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import PreTrainedModel

from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.evaluation import get_task
from hf_mplm.evaluation.kinds.finetuning import FineTuningSettings
from hf_mplm.transfer.modules import TaskModule, adapt_encoder, read_training_data, train_task_module
from hf_mplm.transfer.tuning import Base
from tests.fixtures import CORPUS, build_tiny_tokenizer, corpus_lines, tiny_bert


LANGUAGES = ("eng_Latn", "deu_Latn", "swh_Latn")
TOPICS = ("travel", "sports", "health")
BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"the library {name} is not in this environment"
        ),
    )
    for name in ("peft", "adapters")
]
SIZES = {"peft": 4, "adapters": 8}
QUICK = {
    "sib200": FineTuningSettings(learning_rate=2e-2, num_train_epochs=4, batch_size=8, max_length=64),
    "pos": FineTuningSettings(learning_rate=2e-2, num_train_epochs=2, batch_size=8, max_length=64),
    "parsing": FineTuningSettings(learning_rate=2e-2, num_train_epochs=1, batch_size=8, max_length=64),
    "tydiqa": FineTuningSettings(learning_rate=5e-3, num_train_epochs=2, batch_size=8, max_length=64, doc_stride=16),
    "xnli": FineTuningSettings(learning_rate=5e-3, num_train_epochs=4, batch_size=8, max_length=64),
}


@dataclass(frozen=True)
class World:
    """Where everything is."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def modules(self, backend: str) -> Path:
        return self.folder / f"modules-{backend}"


def build_world(folder: Path, architecture: Callable[..., PreTrainedModel] = tiny_bert) -> World:
    world = World(folder)
    tokenizer = build_tiny_tokenizer(folder / "tokenizer")
    architecture(len(tokenizer), seed=3, initializer_range=0.2).save_pretrained(world.base)
    tokenizer.save_pretrained(world.base)
    prepare_store(
        [str(CORPUS / f"{code}.txt") for code in LANGUAGES], folder / "tokenizer", world.store, chunk_length=32
    )
    for code in LANGUAGES:
        words = [line.split() for _, line in corpus_lines(code)]
        for split, size in (("train", 24), ("dev", 6), ("test", 12)):
            _write_topics(world.data / "sib200" / code / f"{split}.tsv", words, size, split)
            _write_trees(world.data / "ud" / f"{code[:2]}_tiny-ud-{split}.conllu", words, size, split)
    _write_trees(world.data / "ud" / "fr_blank-ud-test.conllu", [["_", "_", "_"]], 4, "test")
    _write_pairs(world.data / "xnli", [line.split() for _, line in corpus_lines("eng_Latn")])
    for split, articles in (("train", 20), ("dev", 4)):
        _write_questions(world.data / "tydiqa" / f"tydiqa-goldp-v1.1-{split}.json", articles, split)
    return world


def train_modules(world: World, backend: str, *tasks: str) -> Path:
    """Train modules for a moment, and write them."""
    base = Base.load(world.base)
    encoder = adapt_encoder(base.encoder, backend)
    for name in tasks:
        task = get_task(name)
        data = read_training_data(task, world.data, None if name != "xnli" else ["eng_Latn"])
        module = train_task_module(
            task,
            encoder,
            base.tokenizer,
            data,
            world.data,
            QUICK[name],
            size=SIZES[backend],
            base=base.digest,
            base_model=base.name,
        )
        folder = world.modules(backend) / name
        folder.mkdir(parents=True)
        module.save(folder)
        module.detach()
    return world.modules(backend)


def attached(world: World, backend: str, task: str, base: Base) -> TaskModule:
    module = TaskModule.load(world.modules(backend) / task, base.tokenizer, world.data)
    module.attach(adapt_encoder(base.encoder, backend))
    return module


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _some(words: list[list[str]], draw: random.Random) -> list[str]:
    line = draw.choice(words)
    return line[: draw.randint(3, 12)] or ["x"]


def _write_topics(path: Path, words: list[list[str]], size: int, split: str) -> None:
    draw = random.Random(f"{path.parent.name} {split}")
    rows = [f"{number}\t{draw.choice(TOPICS)}\t{' '.join(_some(words, draw))}" for number in range(size)]
    _write(path, "\n".join(["index_id\tcategory\ttext", *(row.replace('"', "") for row in rows)]) + "\n")


def _write_trees(path: Path, words: list[list[str]], size: int, split: str) -> None:
    draw = random.Random(f"{path.name} {split}")
    blocks = []
    for _ in range(size):
        line = _some(words, draw) if words[0][0] != "_" else words[0]
        rows = [
            "\t".join(
                [
                    str(number),
                    word,
                    "_",
                    "NOUN" if len(word) > 4 else "ADP",
                    "_",
                    "_",
                    str(number - 1),
                    "root" if number == 1 else "dep",
                    "_",
                    "_",
                ]
            )
            for number, word in enumerate(line, start=1)
        ]
        blocks.append("\n".join(rows))
    _write(path, "\n\n".join(blocks) + "\n\n")


def _write_questions(path: Path, articles: int, split: str) -> None:
    data = []
    for name, code in (("english", "eng_Latn"), ("swahili", "swh_Latn")):
        lines = [line for _, line in corpus_lines(code)]
        for number in range(articles):
            context = lines[number % len(lines)]
            word = context.split()[1]
            question = {
                "id": f"{name}-{split}-{number}",
                "question": f"Which comes after {context.split()[0]}?",
                "answers": [{"text": word, "answer_start": context.index(word)}],
            }
            paragraphs = [{"context": context, "qas": [question]}]
            data.append({"title": f"{name} {split} {number}", "paragraphs": paragraphs})
    _write(path, json.dumps({"version": "1.1", "data": data}))


def _write_pairs(folder: Path, words: list[list[str]]) -> None:
    draw = random.Random("pairs")
    labels = ("entailment", "neutral", "contradiction")

    def pair() -> tuple[str, str, str]:
        return " ".join(_some(words, draw)), " ".join(_some(words, draw)), draw.choice(labels)

    for split in ("dev", "test"):
        rows = [f"en\t{label}\t{first}\t{second}" for first, second, label in (pair() for _ in range(12))]
        _write(folder / f"xnli.{split}.tsv", "\n".join(["language\tgold_label\tsentence1\tsentence2", *rows]) + "\n")
    rows = ["\t".join(pair()).replace("contradiction", "contradictory") for _ in range(24)]
    _write(folder / "multinli.train.en.tsv", "\n".join(["premise\thypo\tlabel", *rows]) + "\n")
