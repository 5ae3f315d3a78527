"""Small collections, and what they are made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
from hf_mplm.sprachbund.vectors.block_sums import BlockSums
from hf_mplm.sprachbund.vectors.language_vectors import LanguageVectors
from tests.fixtures import corpus_lines, tiny_xlm_roberta


VIEW = "layer1-mean"


def make_store(folder: Path, tokenizer: Path, languages: int = 5) -> None:
    """A token store of some languages of the sample, of different sizes."""
    corpus = folder.parent / "corpus"
    corpus.mkdir()
    for number, code in enumerate(sorted({code for code, _ in corpus_lines()})[:languages], start=2):
        lines = [line for _, line in corpus_lines(code)]
        (corpus / f"{code}.txt").write_text("\n".join(lines[: 4 * number]) + "\n", encoding="utf-8")
    prepare_store(corpus, tokenizer, folder, chunk_length=32, holdout=1)


def make_start(folder: Path, tokenizer: Path) -> None:
    """A masked-LM checkpoint of random weights."""
    loaded = load_tokenizer(tokenizer)
    tiny_xlm_roberta(len(loaded)).save_pretrained(folder)
    loaded.save_pretrained(folder)


def make_vectors(codes: Sequence[str], dimension: int = 32) -> LanguageVectors:
    """Random vectors of languages."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(len(codes), 40, dimension)) + 3 * generator.normal(
        size=(len(codes), 1, dimension)
    )
    sums = BlockSums.zeros(len(codes), dimension)
    for row in range(len(codes)):
        sums.add(row, np.arange(40) % 16, vectors[row])
    return LanguageVectors(list(codes), {VIEW: sums})


def make_clusters(codes: Sequence[str], folder: Path) -> Sprachbunds:
    """The first two languages in one cluster, the others in another."""
    folder.mkdir(exist_ok=True)
    clusters = [list(codes[2:]), list(codes[:2])]
    cosines = {code: [0.5, 0.25] for code in codes}
    found = Sprachbunds(clusters, [clusters[0][1], clusters[1][0]], cosines, settings={"view": VIEW, "center": True})
    found.save(folder)
    return found
