from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from hf_mplm.evaluation.benchmarks.wordsim import WordPairCorpus
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.files.records import DataError
from hf_mplm.evaluation.metrics.correlation import correlations
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable


ENGLISH = ["house", "dog", "united", "nations", "cat", "tree"]
GERMAN = ["haus", "hund", "vereinte", "nationen", "katze", "baum"]
PAIRS = [("House", "dog", 1.5), ("United Nations", "cat", 0.25), ("cat", "dog", 3.0), ("tree", "unheard", 2.0)]
ACROSS = [("Haus", "house", 4.0), ("vereinte Nationen", "tree", 0.5), ("Katze", "unheard of", 1.0), ("Hund", "cat", 3)]


@pytest.fixture
def static() -> StaticEmbeddings:
    generator = np.random.default_rng(4)
    count = np.zeros(6, dtype=np.int64)
    vectors = generator.normal(size=(2, 6, 5)).astype(np.float32)
    return StaticEmbeddings(
        [WordTable("eng_Latn", ENGLISH, count, vectors[0]), WordTable("deu_Latn", GERMAN, count, vectors[1])]
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """SemEval's own files of one language, and a table with scores of two."""
    folder = tmp_path / "data" / "wordsim"
    for name in ("data", "keys"):
        (folder / "subtask1" / name).mkdir(parents=True)
    lines = "".join(f"{one}\t{other}\n" for one, other, _ in PAIRS)
    (folder / "subtask1" / "data" / "en.test.data.txt").write_text(lines)
    (folder / "subtask1" / "keys" / "en.test.gold.txt").write_text("".join(f"{score}\n" for *_, score in PAIRS))
    (folder / "de-en-SEMEVAL17.txt").write_text("".join(f"{a}\t{b}\t{c}\n" for a, b, c in ACROSS))
    (folder / "en.trial.data.txt").write_text("a\tb\n")
    return tmp_path / "data"


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_scores_are_correlations_of_a_plain_loop(static, data) -> None:
    rows = evaluate(static, "wordsim", data)
    found = {(row.setting, row.metric): row for row in rows}
    english, german = static.table("eng_Latn"), static.table("deu_Latn")

    def mean(table: WordTable, *words: str) -> np.ndarray:
        return np.mean([table.vectors[table.index[word]] for word in words], axis=0)

    mono = [
        cosine(mean(english, "house"), mean(english, "dog")),
        cosine(mean(english, "united", "nations"), mean(english, "cat")),
        cosine(mean(english, "cat"), mean(english, "dog")),
    ]
    across = [
        cosine(mean(german, "haus"), mean(english, "house")),
        cosine(mean(german, "vereinte", "nationen"), mean(english, "tree")),
        cosine(mean(german, "hund"), mean(english, "cat")),
    ]
    for setting, values, gold in (
        ("monolingual", mono, [1.5, 0.25, 3.0]),
        ("cross-lingual", across, [4.0, 0.5, 3.0]),
    ):
        one, other = pearsonr(gold, values).statistic, spearmanr(gold, values).statistic
        assert found[setting, "pearson"].value == pytest.approx(one, abs=1e-5)
        assert found[setting, "spearman"].value == pytest.approx(other, abs=1e-5)
        score = 2 * one * other / (one + other) if min(one, other) > 0 else 0.0
        assert found[setting, "score"].value == pytest.approx(score, abs=1e-5)
        assert (found[setting, "score"].n, found[setting, "score"].n_skipped) == (3, 1)
        assert found[setting, "coverage"].value == 0.75 and found[setting, "coverage"].n == 4
    row = found["cross-lingual", "score"]
    assert (row.language, row.source_language) == ("deu_Latn", "eng_Latn")
    assert found["monolingual", "score"].source_language == ""
    with_zeros = {(row.setting, row.metric): row for row in evaluate(static, "wordsim", data, oov="0")}
    row = with_zeros["monolingual-oov-0", "pearson"]
    assert row.value == pytest.approx(pearsonr([1.5, 0.25, 3.0, 2.0], [*mono, 0.0]).statistic, abs=1e-5)
    assert (row.n, row.n_skipped) == (4, 0) and with_zeros["monolingual-oov-0", "coverage"].value == 0.75
    # A mean of two words is neither of them.
    assert mono[1] != pytest.approx(cosine(mean(english, "united"), mean(english, "cat")))


def test_an_encoder_reads_every_word(tiny_encoder_folder, data) -> None:
    rows = evaluate(tiny_encoder_folder, "wordsim", data, languages="eng_Latn")
    encoder = TransformerEncoder.from_pretrained(tiny_encoder_folder)
    values = [cosine(*encoder.encode([one, other])) for one, other, _ in PAIRS]
    found = {row.metric: row for row in rows}
    assert {row.setting for row in rows} == {"monolingual"} and found["coverage"].value == 1
    assert found["pearson"].value == pytest.approx(pearsonr([1.5, 0.25, 3.0, 2.0], values).statistic, abs=1e-3)
    assert found["pearson"].layer == encoder.layer


def test_the_score_is_the_harmonic_mean_and_needs_two_numbers() -> None:
    found = correlations([1, 2, 3, 4], [1, 3, 2, 9])
    assert found["score"] == pytest.approx(2 / (1 / found["pearson"] + 1 / found["spearman"]))
    assert correlations([1, 2, 3], [3, 2, 1])["score"] == 0
    with pytest.raises(ValueError, match="fewer than two different numbers"):
        correlations([1, 2], [3, 3])


def test_files_that_are_no_pairs_are_named(static, data) -> None:
    corpus = WordPairCorpus(data)
    assert set(corpus.files) == {("eng_Latn", "eng_Latn"), ("deu_Latn", "eng_Latn")}
    assert any(entry.path.endswith("en.trial.data.txt") for entry in corpus.passed_over)
    assert not any("gold" in entry.path for entry in corpus.passed_over)
    keys = data / "wordsim" / "subtask1" / "keys" / "en.test.gold.txt"
    keys.write_text("1\nx\n2\n3\n")
    with pytest.raises(DataError, match=r"en\.test\.gold\.txt:2 is no score: 'x'"):
        evaluate(static, "wordsim", data)
    keys.write_text("1\n2\n")
    with pytest.raises(DataError, match="has 2 scores, but .*has more pairs"):
        evaluate(static, "wordsim", data)
    keys.unlink()
    with pytest.raises(DataError, match=r"no pair of words with a score \(there is no en\.test\.gold\.txt either\)"):
        evaluate(static, "wordsim", data)
    with pytest.raises(ValueError, match="oov is 'mean'"):
        evaluate(static, "wordsim", data, oov="mean")
