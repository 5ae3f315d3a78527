from __future__ import annotations

import random

import pytest

from hf_mplm.data.corpus.corpora import CorpusRow
from hf_mplm.data.corpus.sentence_sampling import allocate, sample_sentences


def _rows(**counts: int) -> list[CorpusRow]:
    return [{"text": f"{code} {n}", "language": code} for code, count in counts.items() for n in range(count)]


def test_shares_follow_the_power_of_the_counts() -> None:
    shares = allocate({"large": 1_000_000, "middle": 10_000, "small": 100}, 3000, 0.3)
    assert sum(shares.values()) == 3000
    assert shares["small"] == 100  # all that it has: 3000 * 100^0.3 / sum would be 137
    # The rest is shared by 100^0.3 = 3.981 to 1.
    assert shares["large"] / shares["middle"] == pytest.approx(100**0.3, rel=0.01)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_shares_are_exact_for_any_counts(alpha: float) -> None:
    source = random.Random(0)
    for _ in range(200):
        counts = {str(n): source.choice([0, 1, 7, 50, 3000]) for n in range(source.randint(1, 9))}
        total = source.randint(1, 5000)
        shares = allocate(counts, total, alpha)
        assert sum(shares.values()) == min(total, sum(counts.values()))
        assert all(0 <= share <= counts[language] for language, share in shares.items())


def test_a_small_corpus_is_taken_whole() -> None:
    rows = _rows(eng_Latn=30, tha_Thai=5)
    sentences, counts = sample_sentences(rows, 1000)
    assert sorted(sentences) == sorted(row["text"] for row in rows)
    assert sentences != [row["text"] for row in rows]
    assert counts == {"eng_Latn": 30, "tha_Thai": 5}


def test_the_draw_depends_on_seed_and_rows_alone() -> None:
    rows = _rows(eng_Latn=400, tha_Thai=200, ell_Grek=20)
    # Languages interleaved, each in its own order: files read in another order, or several at once.
    shuffled: list[CorpusRow] = []
    waiting = {code: [row for row in rows if row["language"] == code] for code in ("tha_Thai", "ell_Grek", "eng_Latn")}
    source = random.Random(1)
    while any(waiting.values()):
        code = source.choice([code for code, left in waiting.items() if left])
        shuffled.append(waiting[code].pop(0))
    assert sample_sentences(rows, 90, seed=3) == sample_sentences(shuffled, 90, seed=3)
    assert sample_sentences(rows, 90, seed=3)[0] != sample_sentences(rows, 90, seed=4)[0]


def test_trimming_on_the_way_changes_nothing() -> None:
    """A corpus large enough to be trimmed many times gives each language its whole share, from all over its text."""
    counts = {"eng_Latn": 40_000, "tha_Thai": 3000, "ell_Grek": 100}
    sentences, drawn = sample_sentences(_rows(**counts), 300, alpha=0.3)
    assert drawn == allocate(counts, 300, 0.3)
    by_language = {code: [int(s.split()[1]) for s in sentences if s.startswith(code)] for code in counts}
    assert {code: len(set(places)) for code, places in by_language.items()} == drawn
    # Uniform over the text: the mean of n draws lies within 4 standard errors of the middle.
    for code, places in by_language.items():
        middle = counts[code] / 2
        assert abs(sum(places) / len(places) - middle) < 4 * counts[code] / (12 * len(places)) ** 0.5


def test_plain_sentences_count_as_one_language() -> None:
    sentences, counts = sample_sentences((f"line {n}" for n in range(50)), 10)
    assert len(set(sentences)) == 10 and counts == {"": 10}


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        sample_sentences(["a"], 0)
    with pytest.raises(ValueError, match=r"alpha must be between 0 .* not 1\.5"):
        sample_sentences(["a"], 1, alpha=1.5)
