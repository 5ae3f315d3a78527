"""Every verb that writes a folder, killed or out of disk at any moment: whole or absent, and the same in the end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from hf_mplm.data.corpus.sources import ReadOptions
from hf_mplm.data.romanization.corpus import romanize_corpus
from hf_mplm.data.romanization.engine import load_engine
from hf_mplm.data.store.pair_store import load_pair_store, prepare_pair_store
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import load_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.data.tokenizing.training import train_tokenizer_on_corpus
from hf_mplm.trainers.script_alignment.romanized_vocabulary import extend_for_romanized
from tests.faults import contents, in_child


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

Work = Callable[[], object]


def works(corpus: Path, tokenizer: Path, encoder: Path, output: Path) -> dict[str, tuple[Work, Callable]]:
    """What is done to make `output`, and what opens it."""
    small = {"languages": ["ell_Grek", "swh_Latn", "rus_Cyrl"]}
    return {
        "prepare": (
            lambda: prepare_store(corpus, tokenizer, output, chunk_length=24, holdout=1, part_bytes=900, **small),
            load_store,
        ),
        "prepare --romanize": (
            lambda: prepare_pair_store(corpus, tokenizer, output, holdout=1, part_bytes=900, **small),
            load_pair_store,
        ),
        "romanize": (lambda: romanize_corpus(corpus, output, part_bytes=900, **small), Path.iterdir),
        "tokenizer train": (
            lambda: train_tokenizer_on_corpus(
                corpus, output, ReadOptions(("eng_Latn", "swh_Latn")), vocab_size=150, num_threads=1
            ),
            load_tokenizer,
        ),
        "romanized vocabulary": (
            lambda: extend_for_romanized(encoder, corpus, output, vocab_size=350, num_threads=1, **small),
            load_tokenizer,
        ),
    }


NAMES = list(works(Path(), Path(), Path(), Path()))


def attempt(name: str, fault: str, places: list[float], tmp_path: Path, *inputs: Path) -> None:
    """Meet a fault at places of the work (as shares of it), then do it, and compare with undisturbed work."""
    whole, output = tmp_path / "whole" / "out", tmp_path / "out"
    whole.parent.mkdir()
    load_engine()  # once, and not in every process
    work, open_it = works(*inputs, whole)[name]
    told, changes = in_child(work, whole.parent, None, fault)
    assert told == "finished" and changes > 5, told
    work = works(*inputs, output)[name][0]
    for place in places:
        told, _ = in_child(work, output, int(place * changes), fault)
        if fault == "kill":
            assert told in ("killed", "finished")
        else:
            assert told == "finished" or "no space left to write in" in told, told
            assert "repeat the same command" in told or told == "finished"
        if output.exists():
            open_it(output)
            assert main(["check", str(output)]) == 0
            assert contents(output) == contents(whole)
    work()
    assert contents(output) == contents(whole)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == ["out"]


def test_a_child_trains_on_threads_as_its_parent_did(tmp_path: Path) -> None:
    draw, corpus = random.Random(0), tmp_path / "corpus"
    corpus.mkdir()
    lines = ["".join(draw.choices("abcdefgh ", k=80)) for _ in range(900)]  # short texts have no parallel loop
    (corpus / "eng_Latn.txt").write_text("\n".join(lines), encoding="utf-8")
    small = {"vocab_size": 100, "num_threads": 4, "seed_sentencepiece_size": 1000}

    def train(name: str) -> None:
        train_tokenizer_on_corpus(corpus, tmp_path / name, ReadOptions(), **small)

    train("here")
    told, _ = in_child(lambda: train("child"), tmp_path, None, "kill")
    assert told == "finished" and contents(tmp_path / "child") == contents(tmp_path / "here")


@pytest.mark.parametrize("fault", ["kill", "full disk"])
@pytest.mark.parametrize("name", NAMES)
def test_met_at_a_few_moments(
    name: str, fault: str, tiny_corpus: Path, tiny_tokenizer_folder: Path, tiny_encoder_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("uroman")
    draw = random.Random(f"{name} {fault}")
    places = sorted(draw.random() for _ in range(3))
    attempt(name, fault, places, tmp_path, tiny_corpus, tiny_tokenizer_folder, tiny_encoder_folder)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["kill", "full disk"])
@pytest.mark.parametrize("name", NAMES)
def test_met_at_every_moment(
    name: str, fault: str, tiny_corpus: Path, tiny_tokenizer_folder: Path, tiny_encoder_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("uroman")
    for number in range(25):
        (tmp_path / str(number)).mkdir()
        inputs = (tiny_corpus, tiny_tokenizer_folder, tiny_encoder_folder)
        attempt(name, fault, [number / 25], tmp_path / str(number), *inputs)
