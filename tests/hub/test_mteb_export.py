from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from hf_mplm.evaluation.kinds.retrieval import retrieval_accuracy
from hf_mplm.evaluation.results import ResultRow, make_row
from hf_mplm.hub.mteb_export import export_mteb


def row(task: str, language: str, metric: str, value: float, **changes: object) -> ResultRow:
    fields = {
        "task": task,
        "language": language,
        "metric": metric,
        "value": value,
        "n": 1012 if task == "flores" else 1000,
        "model": "org/encoder",
        "revision": "abc",
        "source_language": "eng_Latn",
        "direction": "target->source",
        "setting": "plain",
        "layer": 8,
    }
    return make_row(**(fields | changes))  # type: ignore[arg-type]


def scores_of(path: Path, split: str) -> dict[str, dict[str, object]]:
    contents = json.loads(path.read_text(encoding="utf-8"))
    return {scores["hf_subset"]: scores for scores in contents["scores"][split]}


def test_a_file_holds_what_mteb_reads(tmp_path: Path) -> None:
    rows = [row("tatoeba", "zho_Hans", "accuracy@1", 0.5), row("tatoeba", "zho_Hans", "f1", 0.4)]
    export = export_mteb(rows, tmp_path)
    (path,) = export.paths
    assert path == tmp_path / "org__encoder-layer8" / "abc" / "Tatoeba.json"
    contents = json.loads(path.read_text(encoding="utf-8"))
    assert contents["task_name"] == "Tatoeba" and contents["mteb_version"] is None
    assert isinstance(contents["dataset_revision"], str)
    # As MTEB names this language, and not as FLORES-200 does.
    assert scores_of(path, "test")["cmn-eng"] == {
        "hf_subset": "cmn-eng",
        "languages": ["cmn-Hans", "eng-Latn"],
        "main_score": 0.4,
        "f1": 0.4,
        "accuracy": 0.5,
        "recall": 0.5,
    }
    meta = json.loads((path.parent / "model_meta.json").read_text(encoding="utf-8"))
    assert (meta["name"], meta["revision"]) == ("org/encoder-layer8", "abc")
    assert export.left_out == {}


def test_a_pair_with_the_pivot_of_a_cluster_is_the_same_pair(tmp_path: Path) -> None:
    changes = {"source_language": "deu_Latn", "direction": "source->target", "n": 1012}
    paths = []
    for setting in ("plain", "pivot-plain"):
        rows = [row("flores", "swh_Latn", metric, 0.5, **changes, setting=setting) for metric in ("f1", "accuracy@1")]
        (path,) = export_mteb(rows, tmp_path / setting).paths
        paths.append(path)
    assert list(scores_of(paths[1], "devtest")) == ["deu_Latn-swh_Latn"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_scores_are_those_that_mteb_computes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    english = generator.normal(size=(300, 8)).astype(np.float32)
    german = english + generator.normal(size=english.shape).astype(np.float32)
    measured = retrieval_accuracy(english, german, direction="target->source")
    rows = [row("tatoeba", "deu_Latn", metric, value) for metric, value in measured.items()]
    scores = scores_of(export_mteb(rows, tmp_path).paths[0], "test")["deu-eng"]
    # The other language asks, English answers, and every English sentence is a class.
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (german, english)]
    found = (unit[0] @ unit[1].T).argmax(axis=1)
    labels = np.arange(len(found))
    assert scores["main_score"] == pytest.approx(f1_score(labels, found, average="weighted", zero_division=0))
    assert scores["recall"] == pytest.approx(recall_score(labels, found, average="weighted", zero_division=0))
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, found))
    assert scores["main_score"] < scores["accuracy"]


def test_flores_has_a_subset_for_each_direction(tmp_path: Path) -> None:
    rows = [
        row("flores", "swh_Latn", metric, value, direction=direction)
        for direction, value in (("source->target", 0.25), ("target->source", 0.75))
        for metric in ("accuracy@1", "f1")
    ]
    (path,) = export_mteb(rows, tmp_path).paths
    assert path.name == "FloresBitextMining.json"
    scores = scores_of(path, "devtest")
    assert {name: found["main_score"] for name, found in scores.items()} == {
        "eng_Latn-swh_Latn": 0.25,
        "swh_Latn-eng_Latn": 0.75,
    }
    assert scores["swh_Latn-eng_Latn"]["languages"] == ["swh-Latn", "eng-Latn"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"direction": "source->target"}, "--directions target->source"),
        ({"setting": "csls"}, "plain cosines, not csls"),
        ({"n_skipped": 1}, "scores every sentence"),
        ({"source_language": "tha_Thai"}, "English on one side"),
        ({"language": "yor_Latn"}, "no yor_Latn"),
        ({"task": "flores", "n": 204}, "not the 204 of SIB-200"),
        ({"task": "bible"}, "other verses"),
        ({"task": "sib200", "metric": "macro_f1"}, "SIB200"),
        ({"task": "parsing", "metric": "las"}, "no task like parsing"),
    ],
)
def test_what_mteb_measures_otherwise_is_left_out_with_a_reason(changes, reason, tmp_path: Path) -> None:
    fields = {"task": "tatoeba", "language": "deu_Latn", "metric": "f1"} | changes
    export = export_mteb([row(value=0.5, **fields)], tmp_path / "out")
    assert export.paths == () and not (tmp_path / "out").exists()
    ((found, count),) = export.left_out.items()
    assert reason in found and count == 1


def test_other_accuracies_are_no_loss(tmp_path: Path) -> None:
    rows = [row("tatoeba", "deu_Latn", metric, 0.5) for metric in ("accuracy@1", "accuracy@10", "f1")]
    export = export_mteb(rows, tmp_path)
    assert export.left_out == {} and "accuracy@10" not in export.paths[0].read_text(encoding="utf-8")


def test_a_fingerprint_makes_a_folder_on_every_system(tmp_path: Path) -> None:
    rows = [row("tatoeba", "deu_Latn", metric, 0.5, revision="sha256:12") for metric in ("accuracy@1", "f1")]
    (path,) = export_mteb(rows, tmp_path).paths
    assert path.parent.name == "sha256-12"
    assert json.loads((path.parent / "model_meta.json").read_text(encoding="utf-8"))["revision"] == "sha256:12"


def test_a_part_of_the_sentences_is_not_the_benchmark(tmp_path: Path) -> None:
    rows = [row("tatoeba", "deu_Latn", metric, 0.5) for metric in ("accuracy@1", "f1")]
    assert export_mteb(rows, tmp_path, limited=["tatoeba"]).paths == ()
    assert len(export_mteb(rows, tmp_path, limited=["bible"]).paths) == 1


def test_scores_without_the_main_score_are_left_out(tmp_path: Path) -> None:
    export = export_mteb([row("tatoeba", "deu_Latn", "accuracy@1", 0.5)], tmp_path)
    assert export.paths == ()
    assert "did not report its f1" in next(iter(export.left_out))


def test_layers_and_models_do_not_mix(tmp_path: Path) -> None:
    rows = [
        row("tatoeba", "deu_Latn", metric, value, layer=layer, model=model, setting=setting)
        for layer, model, setting, value in (
            (8, "/home/me/run/encoder", "plain", 0.1),
            (12, "/home/me/run/encoder", "plain", 0.2),
            (12, "/home/me/run/encoder", "plain-no-specials", 0.3),
            (-1, "mine", "plain", 0.4),
        )
        for metric in ("accuracy@1", "f1")
    ]
    found = {
        path.parts[-3]: scores_of(path, "test")["deu-eng"]["main_score"] for path in export_mteb(rows, tmp_path).paths
    }
    assert found == {"encoder-layer8": 0.1, "encoder-layer12": 0.2, "encoder-layer12-no-specials": 0.3, "mine": 0.4}


def test_sentences_from_the_hub_are_named_by_their_commit(tmp_path: Path) -> None:
    rows = [row("tatoeba", "deu_Latn", metric, 0.5) for metric in ("accuracy@1", "f1")]
    for commits, revision in (({"mteb/tatoeba-bitext-mining": "a" * 40}, "a" * 40), ({"x/y": "b" * 40}, "local")):
        (path,) = export_mteb(rows, tmp_path / revision, commits=commits).paths
        assert json.loads(path.read_text(encoding="utf-8"))["dataset_revision"] == revision
    flores = [row("flores", "deu_Latn", metric, 0.5, n=1012) for metric in ("accuracy@1", "f1")]
    assert len(export_mteb(flores, tmp_path / "local").paths) == 1
    export = export_mteb(flores, tmp_path / "plus", commits={"openlanguagedata/flores_plus": "c" * 40})
    assert export.paths == () and "FLORES+" in "".join(export.left_out)
