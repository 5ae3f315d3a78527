"""The attacks of `python -m tests.fuzz`: a short form, and the long one in the slow suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from .__main__ import fuzz_corpora, fuzz_damage, fuzz_kills
from .corpora import check_prepare, make_corpus
from .running import run
from .workshop import Workshop


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.mark.parametrize("attack, number", [(fuzz_corpora, 5), (fuzz_damage, 6), (fuzz_kills, 1)])
def test_no_traceback_nothing_silent_nothing_lost(workshop: Workshop, attack, number: int) -> None:
    assert attack(workshop, range(number)) == []


@pytest.mark.slow
@pytest.mark.parametrize("attack, number", [(fuzz_corpora, 200), (fuzz_damage, 200), (fuzz_kills, 60)])
def test_the_same_for_long(workshop: Workshop, attack, number: int) -> None:
    assert attack(workshop, range(1000, 1000 + number)) == []


def test_the_check_would_notice(workshop: Workshop, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 7)
    store = tmp_path / "store"
    command = ["prepare", "--corpus", corpus.folder, "--tokenizer", workshop.tokenizer, "--output", store]
    done = run(command)
    assert done.status == 0 and check_prepare(corpus, done.status, done.output, store) == []
    code = next(iter(corpus.good))
    more = corpus._replace(good=corpus.good + type(corpus.good)({code: 1}), named=["vanished.txt"])
    assert len(check_prepare(more, done.status, done.output, store)) >= 2
    assert run(["prepare", "--corpus", tmp_path / "none"]).status == 2
