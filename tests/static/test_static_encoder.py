"""Static embeddings as an encoder of sentences, and their way into `hf-mplm evaluate`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from hf_mplm.cli.main import main
from hf_mplm.evaluation.encoder import Encoder
from hf_mplm.evaluation.loading import model_revision
from hf_mplm.evaluation.results import read_metadata, read_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.hub.publish_commit import Pushed, Target
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from hf_mplm.static.words import segment_words
from tests.evaluation.conftest import write_sib200


def make_static(data: Path, languages: tuple[str, ...] = ("eng_Latn", "swh_Latn"), seed: int = 0) -> StaticEmbeddings:
    """Vectors for most words of a benchmark's sentences; of equal words in all languages the same one."""
    generator = np.random.default_rng(seed)
    everywhere: dict[str, np.ndarray] = {}
    tables = []
    for language in languages:
        texts = (data / "sib200" / language / "test.tsv").read_text(encoding="utf-8")
        words = sorted(set(segment_words(texts, language)))[::-1]
        words = [word for number, word in enumerate(words) if number % 5]
        vectors = np.stack([everywhere.setdefault(word, generator.normal(size=12)) for word in words])
        counts = np.arange(len(words), 0, -1)
        tables.append(WordTable(language, words, counts, vectors.astype(np.float32)))
    return StaticEmbeddings(tables, {"encoder": "mini", "layer": 6})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = write_sib200(tmp_path / "data")
    (folder / "tatoeba").mkdir()
    texts = {"swh": ["jambo dunia", "habari ya leo", "xyzzy"], "eng": ["hello world", "news of today", "travel"]}
    for code, lines in texts.items():
        (folder / "tatoeba" / f"tatoeba.swh-eng.{code}").write_text("\n".join(lines))
    return folder


def test_a_sentence_is_the_mean_of_its_words(data: Path) -> None:
    static = make_static(data)
    assert isinstance(static, Encoder)
    table = static.table("eng_Latn")
    one, other = table.words[3], table.words[7]
    found = static.encode([f"{one.upper()}, {other} -- {one}!", "xyzzy", other], language="en")
    expected = (2 * table.vectors[3] + table.vectors[7]) / 3
    assert found[0] == pytest.approx(expected, abs=1e-6) and not found[1].any()
    assert found[2] == pytest.approx(table.vectors[7]) and found.dtype == np.float32
    assert static.coverage["eng_Latn"] == (5, 1, 3, 1)
    with pytest.raises(ValueError, match="say the sentences' language, one of eng_Latn, swh_Latn"):
        static.encode(["a"])
    with pytest.raises(ValueError, match="one string was given"):
        static.encode("a", language="eng_Latn")


def test_a_folder_is_evaluated_by_the_verb(data: Path, tmp_path: Path, capsys, caplog) -> None:
    static, folder = make_static(data), tmp_path / "static"
    static.save_pretrained(folder)
    flags = ["--model", str(folder), "--data_dir", str(data), "--output", str(tmp_path / "run")]
    assert main(["evaluate", *flags, "--tasks", "tatoeba,flores,sib200", "--update_card"]) == 0
    rows = read_results(tmp_path / "run")
    assert {(row.task, row.setting) for row in rows} == {
        ("tatoeba", "plain"),
        ("flores", "plain"),
        ("sib200", "probe"),
    }
    # English asked for once, Thai has no vectors, and both were said.
    assert {row.language for row in rows} == {"eng_Latn", "swh_Latn"} and {row.layer for row in rows} == {-1}
    assert {(skip["task"], skip["language"]) for skip in rows.skipped} == {
        ("flores", "tha_Thai"),
        ("sib200", "tha_Thai"),
    }
    assert all("has no words of it" in skip["reason"] for skip in rows.skipped)
    assert {row.model for row in rows} == {str(folder)} and {row.revision for row in rows} == {model_revision(folder)}
    expected = evaluate(static, "tatoeba,flores,sib200", data, transfer_settings="probe")
    assert [row.value for row in rows] == [row.value for row in expected]
    # Words that are known decide: of sentences alone nothing would be found.
    assert max(row.value for row in rows if row.task == "sib200" and row.metric == "accuracy") > 0.3
    covered = read_metadata(tmp_path / "run")["coverage"]
    assert set(covered) == {"eng_Latn", "swh_Latn"} and covered["swh_Latn"]["blank"] > 0
    assert 0 < covered["swh_Latn"]["unknown"] < covered["swh_Latn"]["words"]
    assert "words have no vector" in caplog.text
    card = ModelCard.load(folder / "README.md")
    assert "tatoeba" in card.text and "12 dimensions" in card.text and card.data.library_name == "hf-mplm"
    assert "- encoder: mini" in card.text and len(card.data.eval_results) > 3
    # The card is no vector: the same command goes on, and what was counted stays.
    assert main(["evaluate", *flags, "--tasks", "tatoeba,flores,sib200"]) == 0
    assert read_results(tmp_path / "run") == rows and read_metadata(tmp_path / "run")["coverage"] == covered


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--transfer_settings", "zero-shot"], "sib200 would fine-tune the model, and vectors of words are not"),
        (["--layer", "3"], "has no layers to choose of; leave --layer 3 out"),
        (
            ["--source_languages", "deu_Latn"],
            "has no words of the source language deu_Latn; .*--source_languages eng_",
        ),
    ],
)
def test_what_does_not_go_with_words_is_said_in_one_line(more, message, data: Path, tmp_path: Path, capsys) -> None:
    make_static(data).save_pretrained(tmp_path / "static")
    flags = ["--model", str(tmp_path / "static"), "--data_dir", str(data), "--output", str(tmp_path / "run")]
    assert main(["evaluate", *flags, "--tasks", "sib200", *more]) != 0
    said = capsys.readouterr().err.strip().split("\n")[-1]
    assert re.search(message, said), said


def test_python_is_told_to_hand_the_folder_over(data: Path, tmp_path: Path) -> None:
    static = make_static(data)
    static.save_pretrained(tmp_path / "static")
    with pytest.raises(ValueError, match="holds static embeddings, which are handed over as an encoder"):
        evaluate(tmp_path / "static", "tatoeba", data)
    again = StaticEmbeddings.from_pretrained(tmp_path / "static")
    assert again.revision == model_revision(tmp_path / "static") != static.revision
    assert static.revision == make_static(data).revision != make_static(data, seed=1).revision
    # Another word is another revision, be the vectors as they are.
    table = again.table("eng_Latn")
    other = WordTable("eng_Latn", ["new", *table.words[1:]], table.counts, table.vectors)
    StaticEmbeddings([other, again.table("swh_Latn")], again.config).save_pretrained(tmp_path / "other")
    assert model_revision(tmp_path / "other") != again.revision


def test_the_hub_gets_the_folder_and_gives_it_back(data: Path, tmp_path: Path, monkeypatch) -> None:
    import huggingface_hub

    made: dict[str, object] = {}

    def commit_files(api: object, target: Target, files: dict[str, Path | bytes], message: str) -> Pushed:
        made["target"] = target
        made["files"] = {
            name: content if isinstance(content, bytes) else content.read_bytes() for name, content in files.items()
        }
        return Pushed("1", f"https://hub/{target.repo_id}/commit/1", True)

    monkeypatch.setattr("hf_mplm.hub.publishing.commit_files", commit_files)
    static = make_static(data)
    assert static.push_to_hub("me/static", private=True, token="t") == "https://hub/me/static/commit/1"
    assert made["target"] == Target("me/static", private=True)
    files = made["files"]
    assert sorted(files) == [
        *("README.md", "config.json", "digests.json", "hf_mplm.json", "vectors.safetensors", "words.parquet")
    ]
    assert b'from_pretrained("me/static")' in files["README.md"]
    for name, content in files.items():
        (tmp_path / "snapshot").mkdir(exist_ok=True)
        (tmp_path / "snapshot" / name).write_bytes(content)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(tmp_path / "snapshot"))
    again = StaticEmbeddings.from_pretrained("me/static")
    assert again.name == "me/static" and (again.matrix("eng_Latn") == static.matrix("eng_Latn")).all()
    # A card that somebody has written stays.
    (tmp_path / "snapshot" / "README.md").write_text("# mine")
    again.save_pretrained(tmp_path / "snapshot")
    assert (tmp_path / "snapshot" / "README.md").read_text() == "# mine"


def test_an_encoder_that_asks_is_told_the_language_and_another_is_not(data: Path) -> None:
    class Plain:
        name, revision, layer = "plain", "", -1

        def __init__(self) -> None:
            self.calls: list[tuple[int, str | None]] = []

        def encode(self, texts: list[str], *, progress: bool = False) -> np.ndarray:
            self.calls.append((len(texts), None))
            return np.stack([np.eye(26)[[ord(c) % 26 for c in text]].sum(0) for text in texts]).astype(np.float32)

    class Asking(Plain):
        needs_language, languages = True, ("eng_Latn", "swh_Latn")

        def encode(self, texts: list[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
            found = super().encode(texts)
            self.calls[-1] = (len(texts), language)
            return found

    plain, asking = Plain(), Asking()
    rows = [evaluate(encoder, "flores", data) for encoder in (plain, asking)]
    assert {language for _, language in asking.calls} == {"eng_Latn", "swh_Latn"}
    assert {language for _, language in plain.calls} == {None} and len(plain.calls) == 1
    assert {row.language for row in rows[0]} == {"swh_Latn", "tha_Thai"}
    same = [[row.value for row in found if row.language == "swh_Latn"] for found in rows]
    assert same[0] == same[1] and 0 < max(same[0])
