from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

from hf_mplm.evaluation.benchmarks.neutrality import NeutralityTask, centred_cosine, isotropy
from hf_mplm.evaluation.runner import evaluate


LANGUAGES = ("eng_Latn", "deu_Latn", "rus_Cyrl")


class FakeEncoder:
    """A vector of meaning that all languages share, and an offset of the language, or of the script."""

    name, revision, layer = "fake", "1", 3

    def __init__(self, language=0.0, script=0.0, size=16):
        generator = np.random.default_rng(0)
        self.meanings = generator.normal(size=(200, size))
        self.noise = generator.normal(size=(200, len(LANGUAGES), size)) * 0.3
        languages = generator.normal(size=(len(LANGUAGES), size)) * language
        scripts = dict(zip(("Latn", "Cyrl"), generator.normal(size=(2, size)) * script))
        self.offsets = languages + np.stack([scripts[code[-4:]] for code in LANGUAGES])
        self.calls = 0

    def encode(self, texts, *, progress=False):
        self.calls += 1
        codes, numbers = zip(*(text.split(" ") for text in texts))
        rows, columns = np.array([int(n) for n in numbers]), np.array([LANGUAGES.index(code) for code in codes])
        return (self.meanings[rows] + self.noise[rows, columns] + self.offsets[columns]).astype(np.float32)


def write_flores(folder, languages=LANGUAGES, count=60):
    target = folder / "flores" / "devtest"
    target.mkdir(parents=True)
    for code in languages:
        (target / f"{code}.devtest").write_text("".join(f"{code} {n}\n" for n in range(count)), encoding="utf-8")
    return folder


def scores(rows, metric, setting="languages"):
    return {row.language: row.value for row in rows if row.metric == metric and setting in row.setting}


def test_centred_cosine_equals_scikit_learn():
    generator = np.random.default_rng(0)
    one, other = generator.normal(size=(30, 8)) + 5, generator.normal(size=(30, 8)) - 2
    expected = np.diag(cosine_similarity(one - one.mean(0), other - other.mean(0))).mean()
    assert centred_cosine(one, other) == pytest.approx(expected, abs=1e-12)
    # Without centring the offsets would decide.
    assert abs(np.diag(cosine_similarity(one, other)).mean() - expected) > 0.5
    assert centred_cosine(one, 3 * one + 7) == pytest.approx(1.0)


def iso_score(vectors):
    """Steps 2 to 7 of algorithm 1 of Rudman et al. (2022)."""
    size = vectors.shape[1]
    components = PCA(n_components=min(size, len(vectors))).fit(vectors)
    variances = np.zeros(size)
    variances[: len(components.explained_variance_)] = components.explained_variance_
    normed = np.sqrt(size) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normed - 1) / np.sqrt(2 * (size - np.sqrt(size)))
    share = (size - defect**2 * (size - np.sqrt(size))) ** 2 / size**2
    return (size * share - 1) / (size - 1)


@pytest.mark.parametrize("shape", [(200, 5), (20, 30)])
def test_isotropy_equals_the_papers_algorithm(shape):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=shape) * np.linspace(1, 4, shape[1]) + 3
    assert isotropy(vectors) == pytest.approx(iso_score(vectors), abs=1e-9)
    rotation, _ = np.linalg.qr(generator.normal(size=(shape[1], shape[1])))
    assert isotropy(7 * vectors @ rotation + 1) == pytest.approx(isotropy(vectors))


def test_isotropy_at_its_ends():
    line = np.outer(np.arange(10.0), np.ones(4))
    assert isotropy(line) == pytest.approx(0.0, abs=1e-12)
    cross = np.concatenate([np.eye(4), -np.eye(4)])
    assert isotropy(cross) == pytest.approx(1.0)
    assert isotropy(np.ones((5, 4))) == 0.0


def test_probes_find_languages_and_scripts_only_where_they_are(tmp_path):
    data = write_flores(tmp_path, count=120)
    neutral = evaluate(FakeEncoder(), "neutrality", data)
    by_language = evaluate(FakeEncoder(language=5.0), "neutrality", data)
    by_script = evaluate(FakeEncoder(script=5.0), "neutrality", data)
    for rows, language, script in ((neutral, False, False), (by_language, True, True), (by_script, False, True)):
        found = scores(rows, "language_probe_accuracy")
        assert set(found) == set(LANGUAGES)
        assert (np.mean(list(found.values())) > 0.95) == language
        assert (np.mean(list(scores(rows, "script_probe_accuracy").values())) > 0.95) == script
    # Centring takes away what the probes find.
    assert scores(by_language, "cosine") == pytest.approx(scores(neutral, "cosine"), abs=1e-5)


def test_rows_of_languages_and_of_pairs(tmp_path):
    data, encoder = write_flores(tmp_path), FakeEncoder(language=1.0)
    rows = evaluate(encoder, "neutrality", data, source_languages=LANGUAGES)
    assert encoder.calls == len(LANGUAGES)
    pairs = {(row.source_language, row.language): row.value for row in rows if row.setting == "centred"}
    assert set(pairs) == {(one, other) for one in LANGUAGES for other in LANGUAGES if one != other}
    vectors = {code: encoder.encode([f"{code} {n}" for n in range(60)]) for code in LANGUAGES}
    for (one, other), value in pairs.items():
        assert value == pytest.approx(centred_cosine(vectors[one], vectors[other]), abs=1e-6)
        assert value == pairs[other, one]
    for code, value in scores(rows, "cosine").items():
        assert value == pytest.approx(np.mean([pairs[one, other] for one, other in pairs if other == code]))
        assert scores(rows, "isotropy")[code] == pytest.approx(isotropy(vectors[code]), abs=1e-6)
    assert {(row.layer, row.seed, row.n) for row in rows} == {(3, -1, 60)}
    # English is the only source language by default.
    assert {row.source_language for row in evaluate(encoder, "neutrality", data)} == {"", "eng_Latn"}


def test_a_finished_run_encodes_nothing_and_another_set_is_another_setting(tmp_path):
    data, encoder = write_flores(tmp_path), FakeEncoder()
    rows = evaluate(encoder, "neutrality", data, output=tmp_path / "run")
    calls = encoder.calls
    assert evaluate(encoder, "neutrality", data, output=tmp_path / "run") == rows
    assert encoder.calls == calls
    more = evaluate(encoder, "neutrality", data, "eng_Latn,deu_Latn", output=tmp_path / "run")
    assert len({row.setting for row in more}) == 3
    assert "script_probe_accuracy" not in {row.metric for row in more if row.setting.startswith("2 languages")}


def test_sentences_can_be_limited_to_the_same_ones_for_all(tmp_path):
    data = write_flores(tmp_path)
    rows = evaluate(FakeEncoder(), "neutrality", data, max_sentences={"neutrality": 10})
    assert {row.n for row in rows} == {10}


def test_one_language_is_not_enough(tmp_path):
    data = write_flores(tmp_path)
    with pytest.raises(ValueError, match="give two or more"):
        evaluate(FakeEncoder(), "neutrality", data, "eng_Latn")


def test_a_language_with_too_few_sentences_is_skipped(tmp_path, caplog):
    folder = tmp_path / "sib"
    for code, count in (("eng_Latn", 20), ("deu_Latn", 20), ("rus_Cyrl", 5)):
        (folder / "sib200" / code).mkdir(parents=True)
        rows = "".join(f"{n}\ttravel\t{code} {n}\n" for n in range(count))
        (folder / "sib200" / code / "test.tsv").write_text(f"index_id\tcategory\ttext\n{rows}", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        found = {row.language for row in evaluate(FakeEncoder(), "neutrality", folder)}
    assert found == {"eng_Latn", "deu_Latn"}
    assert "rus_Cyrl: it has 5 sentences" in caplog.text


def test_sib200_serves_where_there_is_no_flores(sib_data, tiny_encoder_folder):
    assert NeutralityTask().languages(sib_data) == ["eng_Latn", "swh_Latn", "tha_Thai"]
    rows = evaluate(tiny_encoder_folder, "neutrality", sib_data)
    assert {row.metric for row in rows} == {
        "cosine",
        "isotropy",
        "language_probe_accuracy",
        "script_probe_accuracy",
    }
    assert {row.n for row in rows} == {21}
