"""What the pages of static embeddings, of sprachbunds and of the transfer study name, tiny.

The first commands of such a page make what its Python reads, so that a stage has what these commands read: an encoder
with the layers that the pages name, text, and data of the benchmarks.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_mplm.data import prepare_store
from hf_mplm.evaluation import TransformerEncoder
from hf_mplm.sample import iter_sample
from hf_mplm.static.hub_mapping import map_to_hub
from hf_mplm.static.judging import held_out_precision
from hf_mplm.static.word2vec import write_word2vec
from hf_mplm.static.word_table import WordTable
from tests.fixtures import CORPUS
from tests.transfer.world import LANGUAGES as TRANSFER_LANGUAGES
from tests.transfer.world import build_world

from .stage import ENGLISH, write_data, write_encoder, write_tatoeba, write_text


# The pages name layers 5 and 6 of 12, and a third of 12.
LAYERS = 12
SWAHILI = "swh_Latn"
VERSES = 120
CLUSTERED = [ENGLISH, "spa_Latn", "rus_Cyrl", SWAHILI, "kin_Latn", "hin_Deva", "npi_Deva"]


def build_static(folder: Path, tokenizer: Path) -> dict[str, Any]:
    """Text and verses of two languages, an encoder, word2vec files and data of two tasks.

    Args:
        folder (`Path`): an empty one, in which the page is followed.
        tokenizer (`Path`): a folder with a tokenizer.

    Returns:
        `dict[str, Any]`: the names that the page takes as given.
    """
    model = folder / "FacebookAI" / "xlm-roberta-base"
    write_encoder(model, tokenizer, LAYERS)
    (folder / "corpus").mkdir()
    words: dict[str, list[str]] = {}
    generator = np.random.default_rng(0)
    for code, name in ((ENGLISH, "wiki.en.vec"), (SWAHILI, "wiki.sw.vec")):
        rows = sorted(iter_sample(code, "train"), key=lambda row: int(row.index_id))[:VERSES]
        (folder / "corpus" / f"{code}.txt").write_text("".join(f"{row.text}\n" for row in rows), encoding="utf-8")
        (folder / f"{code}.tsv").write_text("".join(f"{row.index_id}\t{row.text}\n" for row in rows), encoding="utf-8")
        text = " ".join(row.text.lower() for row in rows).split()
        # What the page looks for, and two words that the text has not, and no dictionary that is made of it.
        words[code] = sorted({*filter(str.isalpha, text), "nyumba", "doorbell", "kengele"})
        write_word2vec(word_table(code, words[code], generator), folder / name)
    write_tatoeba(folder / "data" / "tatoeba", SWAHILI)
    (folder / "data" / "bli").mkdir()
    (folder / "data" / "bli" / f"{ENGLISH}-{SWAHILI}.tsv").write_text("doorbell\tkengele\n", encoding="utf-8")
    some, english = words[SWAHILI][:60], words[ENGLISH][:60]
    return {
        "np": np,
        "torch": torch,
        "TransformerEncoder": TransformerEncoder,
        "WordTable": WordTable,
        "map_to_hub": map_to_hub,
        "held_out_precision": held_out_precision,
        "MODEL": str(model),
        "words": some,
        "english": word_table(ENGLISH, english, generator, dimension=32),
        "pairs": list(zip(some, english)),
        "test_pairs": torch.tensor([[0, 0], [1, 1]]),
    }


def word_table(code: str, words: list[str], generator: np.random.Generator, dimension: int = 24) -> WordTable:
    """Words with vectors that are drawn."""
    vectors = generator.normal(size=(len(words), dimension)).astype(np.float32)
    return WordTable(code, words, np.ones(len(words), dtype=np.int64), vectors)


def build_sprachbund(folder: Path, tokenizer: Path) -> dict[str, Any]:
    """An encoder, text of seven languages, its store, and data of two tasks; as `build_static`."""
    write_encoder(folder / "MODEL", tokenizer, LAYERS)
    write_text(folder / "TEXT", CLUSTERED)
    prepare_store(folder / "TEXT", folder / "MODEL", folder / "STORE", chunk_length=32, holdout=1)
    (folder / "DATA").mkdir()
    write_data(folder / "DATA", CLUSTERED)
    return {}


def build_transfer(folder: Path, tokenizer: Path) -> dict[str, Any]:
    """A base, text of three languages, and data of three tasks; as `build_static`."""
    world = build_world(folder / "world")
    (folder / "BASE").symlink_to(world.base)
    (folder / "DATA").symlink_to(world.data)
    (folder / "TEXT").mkdir()
    for code in TRANSFER_LANGUAGES:
        shutil.copy(CORPUS / f"{code}.txt", folder / "TEXT")
        for split, number in (("train", 12), ("dev", 4), ("test", 6)):
            path = world.data / "ner" / code[:3] / f"{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("John B-PER\nSmith I-PER\nsaw O\nParis B-LOC\n\n" * number, encoding="utf-8")
    return {}
