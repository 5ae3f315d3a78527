from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from hf_mplm.cli.main import main
from hf_mplm.evaluation.benchmarks.bli import LexiconCorpus, find_queries
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.files.word_pairs import pair_digest
from hf_mplm.evaluation.results import write_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.evaluation.vocabulary import Vocabulary
from hf_mplm.report.compare import compare_runs
from hf_mplm.static.dictionaries import seed_overlap
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.hub_mapping import map_to_hub
from hf_mplm.static.word_table import WordTable


SETTINGS = ["nn", "csls", "nn-different", "csls-different"]


def table(language: str, words: list[str], vectors: np.ndarray) -> WordTable:
    return WordTable(language, words, np.zeros(len(words), dtype=np.int64), vectors.astype(np.float32))


@pytest.fixture
def static() -> StaticEmbeddings:
    """60 words a side, some with equal vectors, so that scores are tied."""
    generator = np.random.default_rng(0)
    kinds = generator.normal(size=(25, 8))
    members = generator.integers(0, 25, 60)
    noise = generator.normal(scale=0.4, size=(25, 8))
    english = table("eng_Latn", [f"e{n}" for n in range(58)] + ["taxi", "radio"], kinds[members])
    german = table("deu_Latn", [f"d{n}" for n in range(58)] + ["taxi", "radio"], (kinds + noise)[members])
    return StaticEmbeddings([english, german])


@pytest.fixture
def pairs() -> list[tuple[str, str]]:
    """Several translations of a word, words that no side knows, capitals, and words spelled alike."""
    generator = np.random.default_rng(1)
    known = [(f"E{a}", f"D{a if a % 3 else b}") for a, b in generator.integers(0, 58, (70, 2))]
    return [*known, ("missing", "D1"), ("e3", "Fehlt"), ("gone", "weg"), ("Taxi", "taxi"), ("radio", "Radio")]


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> Path:
    path = folder / "bli" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")
    return folder


def by_a_plain_loop(
    pairs: list[tuple[str, str]], source: WordTable, target: WordTable, setting: str
) -> dict[str, float]:
    def unit(vectors: np.ndarray) -> np.ndarray:
        wide = vectors.astype(np.float64)
        return wide / np.linalg.norm(wide, axis=1, keepdims=True)

    gold: dict[str, set[str]] = {}
    for one, other in pairs:
        gold.setdefault(one.lower(), set()).add(other.lower())
    if "different" in setting:
        gold = {word: answers for word, answers in gold.items() if word not in answers}
    one, other = unit(source.vectors), unit(target.vectors)
    cosines = one @ other.T
    penalty = np.sort(cosines, axis=0)[-10:].mean(axis=0) if "csls" in setting else np.zeros(len(other))
    ranks, missed = [], 0
    for word, answers in gold.items():
        if word not in source.index or not answers & set(target.words):
            missed += 1
            continue
        # Rounded, because equal vectors differ in the last bits of a product: what is tied is tied.
        scores = [round(2 * cosines[source.index[word], c] - penalty[c], 9) for c in range(len(other))]
        order = sorted(range(len(other)), key=lambda c: (-scores[c], c))
        ranks.append(min(place for place, c in enumerate(order) if target.words[c] in answers))
    n = len(ranks)
    found = {f"precision@{k}": sum(rank < k for rank in ranks) / n for k in (1, 5, 10)}
    found["mrr"] = sum(1 / (rank + 1) for rank in ranks) / n
    found["accuracy@1"] = sum(rank < 1 for rank in ranks) / (n + missed)
    return {**found, "n": n, "n_skipped": missed}


def test_every_setting_and_direction_is_a_plain_loop(static, pairs, tmp_path) -> None:
    data = write(tmp_path, "xling/yacle.test.freq.2k.en-de.tsv", pairs)
    rows = evaluate(static, "bli", data, bli_settings=SETTINGS)
    english, german = static.table("eng_Latn"), static.table("deu_Latn")
    seen = []
    for setting in SETTINGS:
        for direction, sides in (("source->target", (english, german)), ("target->source", (german, english))):
            turned = pairs if direction == "source->target" else [(other, one) for one, other in pairs]
            expected = by_a_plain_loop(turned, *sides, setting)
            found = {row.metric: row for row in rows if (row.setting, row.direction) == (setting, direction)}
            assert set(found) == {"precision@1", "precision@5", "precision@10", "mrr", "accuracy@1"}
            for metric, row in found.items():
                assert row.value == pytest.approx(expected[metric]), (setting, direction, metric)
                assert (row.language, row.source_language, row.layer) == ("deu_Latn", "eng_Latn", -1)
            first, last = found["precision@1"], found["accuracy@1"]
            assert (first.n, first.n_skipped) == (expected["n"], expected["n_skipped"]) and first.n_skipped > 0
            assert (last.n, last.n_skipped) == (expected["n"] + expected["n_skipped"], 0)
            seen.append(tuple(round(row.value, 6) for row in found.values()))
    # Each setting and direction says something else, and none is all or nothing.
    assert len(set(seen)) == len(seen) and all(0 < values[0] < 1 for values in seen)
    # Ties, several answers and lower case decide: without one of them another number comes out.
    assert find_queries([("E1", "D1")], static, "eng_Latn", "deu_Latn").rows == [1]
    assert max(len(gold) for gold in find_queries(pairs, static, "eng_Latn", "deu_Latn").gold) > 1
    assert len(np.unique(german.vectors, axis=0)) < len(german)


def test_the_vocabulary_writes_the_words(tmp_path) -> None:
    turkish = table("tur_Latn", ["ılık", "ışık", "istanbul"], np.eye(3))
    cased = table("eng_Latn", ["Istanbul", "light", "WARM"], np.eye(3)[[2, 1, 0]])
    static = StaticEmbeddings([turkish, cased])
    assert isinstance(static, Vocabulary)
    found = find_queries(
        [("IŞIK", "light"), ("İstanbul", "Istanbul"), ("Ilık", "warm")], static, "tur_Latn", "eng_Latn"
    )
    assert (found.rows, found.gold, found.n_skipped) == ([1, 2], [[1], [0]], 1)


def test_files_of_each_kind_are_found(tmp_path) -> None:
    one = [("house", "Haus")]
    for name in ("en-de.5000-6500.txt", "en-de.0-5000.txt", "en-de.txt"):
        write(tmp_path, name, one)
    write(tmp_path, "xling/yacle.test.freq.2k.de-ru.tsv", [("Haus", "дом")])
    write(tmp_path, "yacle.train.freq.1k.en-tr.tsv", one)
    write(tmp_path, "eng_Latn-swh_Latn.tsv", [("house", "nyumba\t12.0\t7")])
    write(tmp_path, "notes.txt", one)
    (tmp_path / "bli" / "fr-en.5000-6500.txt").write_text("maison house\n")
    corpus = LexiconCorpus(tmp_path)
    assert {codes: path.name for codes, path in corpus.files.items()} == {
        ("eng_Latn", "deu_Latn"): "en-de.5000-6500.txt",
        ("deu_Latn", "rus_Cyrl"): "yacle.test.freq.2k.de-ru.tsv",
        ("eng_Latn", "swh_Latn"): "eng_Latn-swh_Latn.tsv",
        ("fra_Latn", "eng_Latn"): "fr-en.5000-6500.txt",
    }
    assert corpus.pairs("swh_Latn", "eng_Latn") == [("nyumba", "house")]
    assert corpus.pairs("fra_Latn", "eng_Latn") == [("maison", "house")]
    reasons = {Path(entry.path).name: entry.reason for entry in corpus.passed_over}
    assert "for training" in reasons["en-de.0-5000.txt"] and "for training" in reasons["yacle.train.freq.1k.en-tr.tsv"]
    assert reasons["en-de.txt"] == "en-de.5000-6500.txt is read" and "notes.txt" in reasons


def test_pairs_that_were_mapped_with_are_refused(static, pairs, tmp_path, tiny_encoder_folder) -> None:
    data = write(tmp_path, "en-de.5000-6500.txt", pairs)
    codes = ("deu_Latn", "eng_Latn")
    seeds = {"hub": "eng_Latn", "seed_pairs": {"deu_Latn": " ".join([pair_digest("d1", "other", *codes), "0" * 16])}}
    innocent = StaticEmbeddings(list(static.tables.values()), {"mapping": seeds})
    assert evaluate(innocent, "bli", data)
    seeds["seed_pairs"]["deu_Latn"] += " " + pair_digest(pairs[0][1].upper(), pairs[0][0], *codes)
    mapped = StaticEmbeddings(list(static.tables.values()), {"mapping": seeds})
    with pytest.raises(ValueError, match="1 of the .. test pairs of eng_Latn and deu_Latn .*--allow_overlap"):
        evaluate(mapped, "bli", data)
    assert evaluate(mapped, "bli", data, allow_overlap=True)
    # An encoder takes the words alone from there, whose mapped vectors are not what is judged.
    values = [
        [row.value for row in evaluate(tiny_encoder_folder, "bli", data, vocabulary=words)]
        for words in (mapped, innocent)
    ]
    assert values[0] and values[0] == values[1]


@pytest.mark.parametrize("seed, asked", [("IŞIK", "ışık"), ("ışık", "IŞIK"), ("İstanbul", "istanbul"), ("ısı", "ISI")])
def test_a_pair_is_the_same_in_the_case_of_its_language(seed: str, asked: str, tmp_path: Path) -> None:
    vectors = np.eye(3, 4) + 0.1
    tables = [
        table("eng_Latn", ["light", "house", "sea"], vectors),
        table("tur_Latn", ["ışık", "istanbul", "ısı"], vectors),
    ]
    mapped, _ = map_to_hub(StaticEmbeddings(tables), "eng_Latn", {"tur_Latn": [(seed, "light"), ("ışık", "house")]})
    data = write(tmp_path, "tr-en.5000-6500.txt", [(asked, "Light"), ("ısı", "sea")])
    with pytest.raises(ValueError, match="1 of the 2 test pairs of .* stand in the dictionary"):
        evaluate(mapped, "bli", data)
    assert seed_overlap(mapped.config, "tur_Latn", [(asked, "light"), ("ev", "house")]) == [(asked, "light")]


def test_digests_in_folders_stay_what_they_were() -> None:
    def before(word: str, other: str) -> str:
        return hashlib.blake2b(f"{word}\t{other}".encode(), digest_size=8).hexdigest()

    assert pair_digest("ışık", "light", "tur_Latn", "eng_Latn") == before("ışık", "light")
    assert pair_digest("Haus", "HOUSE", "deu_Latn", "eng_Latn") == before("haus", "house")


def test_an_encoder_reads_the_words_of_a_vocabulary_one_by_one(
    tiny_encoder_folder, static, pairs, tmp_path, capsys
) -> None:
    data = write(tmp_path, "en-de.5000-6500.txt", pairs)
    with pytest.raises(ValueError, match="none of its own; give the words that it is to read: --vocabulary"):
        evaluate(tiny_encoder_folder, "bli", data)
    rows = evaluate(tiny_encoder_folder, "bli", data, vocabulary=static, output=tmp_path / "run")
    encoder = TransformerEncoder.from_pretrained(tiny_encoder_folder)
    alone = [
        found.with_vectors(np.stack([encoder.encode([word])[0] for word in found.words]))
        for found in (static.table("eng_Latn"), static.table("deu_Latn"))
    ]
    expected = by_a_plain_loop(pairs, *alone, "nn")
    found = {row.metric: row.value for row in rows if (row.setting, row.direction) == ("nn", "source->target")}
    assert found == pytest.approx({name: expected[name] for name in found}, abs=0.02)
    assert {row.layer for row in rows} == {encoder.layer}
    # Scores of another vocabulary are others.
    smaller = StaticEmbeddings([found.most_frequent(30) for found in static.tables.values()])
    with pytest.raises(ValueError, match="computed with vocabulary="):
        evaluate(tiny_encoder_folder, "bli", data, vocabulary=smaller, output=tmp_path / "run")
    with pytest.raises(ValueError, match="has words of its own"):
        evaluate(static, "bli", data, vocabulary=smaller)
    # Nor may two runs that covered different words be compared in silence.
    other = evaluate(tiny_encoder_folder, "bli", data, vocabulary=smaller)
    notes = {item.key[1]: item.coverage for item in compare_runs([rows, other])}
    assert "deu_Latn" in notes["precision@1"] and "deu_Latn" in notes["mrr"] and not notes["accuracy@1"]
    assert not any(item.coverage for item in compare_runs([rows, rows]))
    write_results(tmp_path / "other", other)
    assert main(["compare", str(tmp_path / "run"), str(tmp_path / "other"), "--output", str(tmp_path / "cmp")]) == 0
    said = capsys.readouterr()
    assert "Scored on different items" in said.out and "bli: the runs scored different numbers" in said.err


def test_what_cannot_be_scored_is_said(static, pairs, tmp_path) -> None:
    data = write(tmp_path, "eng_Latn-deu_Latn.tsv", [("дом", "Haus"), ("лес", "Wald")])
    write(tmp_path, "en-tr.5000-6500.txt", [("house", "ev")])
    rows = evaluate(static, "bli", data)
    assert not rows
    reasons = {skip["language"]: skip["reason"] for skip in rows.skipped}
    assert "the dictionary has 'дом', 'лес'" in reasons["deu_Latn"] and "the vectors 'e0'" in reasons["deu_Latn"]
    assert "has no words of it" in reasons["tur_Latn"]
    with pytest.raises(ValueError, match="bli setting 'cosine' is not known"):
        evaluate(static, "bli", data, bli_settings="cosine")
