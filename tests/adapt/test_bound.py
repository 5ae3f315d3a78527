from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hf_mplm.adapt import AdaptJob, bound, diagnosis, job
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from tests import fixtures

from .helpers import make_settings, sample_lines, save_encoder, write_text


class StopHere(Exception):
    pass


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("adapt")
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    save_encoder(folder / "encoder", fixtures.tiny_xlm_roberta(len(tokenizer)), tokenizer)
    write_text(folder / "new", {"wol_Latn": sample_lines("wol_Latn")})
    write_text(folder / "old", {"swh_Latn": sample_lines("swh_Latn", 60)})
    return folder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few languages to compare with, and no training."""

    def stop(*_args: Any) -> None:
        raise StopHere

    monkeypatch.setattr(diagnosis, "sample_languages", lambda: ["eng_Latn", "swh_Latn"])
    monkeypatch.setattr(job, "train_model", stop)


def job_of(place: Path, output: Path, **settings: Any) -> AdaptJob:
    return AdaptJob(make_settings(place / "encoder", place / "new", **settings), output)


def advised_steps(output: Path) -> int:
    found = json.loads((output / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    return int(found["advice"]["max_steps"])


def test_a_dry_run_binds_nothing(place: Path, tmp_path: Path) -> None:
    job_of(place, tmp_path, max_steps="auto", batch_size=1).dry_run()
    before = advised_steps(tmp_path)
    replayed = {"replay_corpus": (str(place / "old"),), "max_steps": "auto", "batch_size": 2, "new_pieces": "0"}
    job_of(place, tmp_path, **replayed).dry_run()
    assert advised_steps(tmp_path) < before
    with pytest.raises(StopHere):
        job_of(place, tmp_path, **{**replayed, "learning_rate": 1e-4}).run()
    # Now there is a store, which holds the text to replay.
    with pytest.raises(ValueError, match=r"other values of replay_corpus, on which depend store/"):
        job_of(place, tmp_path, batch_size=2, max_steps="auto", new_pieces="0", learning_rate=1e-4).run()


def test_fewer_subwords_can_be_asked_for_as_advised(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--new_pieces 500000 asks for fewer"):
        job_of(place, tmp_path, new_pieces="1000000").run()
    with pytest.raises(StopHere):
        job_of(place, tmp_path, new_pieces="100").run()
    with pytest.raises(ValueError, match="other values of new_pieces, on which depend vocabulary/, store/"):
        job_of(place, tmp_path, new_pieces="200").dry_run()


def test_what_is_trained_with_can_be_changed_until_it_has_begun(place: Path, tmp_path: Path) -> None:
    """As after a step for which there was no memory."""
    with pytest.raises(StopHere):
        job_of(place, tmp_path, new_pieces="0", max_steps="auto").run()
    before = advised_steps(tmp_path)
    assert (tmp_path / "model.making").is_dir()
    with pytest.raises(StopHere):
        job_of(place, tmp_path, new_pieces="0", max_steps="auto", batch_size=1).run()
    # The store stays, and the advice is of the smaller batch.
    assert advised_steps(tmp_path) > before
    # With a checkpoint it has begun.
    (tmp_path / "model.making" / "run" / "checkpoint-1").mkdir(parents=True)
    with pytest.raises(ValueError, match="other values of batch_size, on which depend model.making/"):
        job_of(place, tmp_path, new_pieces="0", max_steps="auto").run()


def test_other_text_is_refused_where_something_was_made_of_it(place: Path, tmp_path: Path) -> None:
    corpus = write_text(tmp_path / "text", {"wol_Latn": sample_lines("wol_Latn", 40)})
    settings = make_settings(place / "encoder", corpus, new_pieces="0")
    AdaptJob(settings, tmp_path / "out").dry_run()
    write_text(corpus, {"wol_Latn": sample_lines("wol_Latn", 60)})
    with pytest.raises(StopHere):
        AdaptJob(settings, tmp_path / "out").run()
    found = json.loads((tmp_path / "out" / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))
    assert found["languages"]["wol_Latn"]["sentences"] == 60
    write_text(corpus, {"wol_Latn": sample_lines("wol_Latn", 80)})
    with pytest.raises(ValueError, match="diagnosis is a diagnosis made from something else"):
        AdaptJob(settings, tmp_path / "out").run()


@pytest.mark.parametrize(
    ("stages", "changes", "refused"),
    [
        ([], {"seed": 1, "learning_rate": 1e-5, "tasks": ("flores",)}, None),
        (["diagnosis"], {"seed": 1, "batch_size": 1, "data_dir": "data"}, None),
        (["vocabulary"], {"holdout": 7, "replay_corpus": ("old",), "batch_size": 1}, None),
        (["vocabulary"], {"initialization": "mean", "batch_size": 1}, "initialization, on which depend vocabulary/;"),
        (["store.preparing"], {"chunk_length": 16}, "chunk_length"),
        (["store"], {"learning_rate": 1e-5, "max_steps": "9", "align_scripts": True}, None),
        (["store", "model.making"], {"max_steps": "9"}, "max_steps, on which depend model.making/;"),
        (["store", "trained"], {"align_steps": 9}, None),
        (["store", "trained", "model.making"], {"align_steps": 9}, "align_steps"),
        (["store", "model"], {"data_dir": "data", "tasks": ("flores",)}, None),
        (["store", "model", "report"], {"data_dir": "data"}, "data_dir, on which depend report/;"),
        (["store", "model", "report"], {"num_proc": 2, "use_cpu": False}, None),
    ],
)
def test_only_what_a_stage_depends_on_is_refused(
    stages: list[str], changes: dict[str, Any], refused: str | None, tmp_path: Path
) -> None:
    before = make_settings(tmp_path / "encoder", tmp_path / "new")
    bound.keep_settings(before, tmp_path)
    for stage in stages:
        (tmp_path / stage / ("run/checkpoint-1" if stage.endswith(".making") else "")).mkdir(parents=True)
    bound.refuse_changes(before, tmp_path)
    after = make_settings(tmp_path / "encoder", tmp_path / "new", **changes)
    if refused is None:
        bound.refuse_changes(after, tmp_path)
    else:
        with pytest.raises(ValueError, match=f"other values of {refused}"):
            bound.refuse_changes(after, tmp_path)


def test_every_setting_is_bound_once_all_is_done(tmp_path: Path) -> None:
    """But for those that change how the work is done, and not what comes of it."""
    for stage in ("store", "vocabulary", "model", "report"):
        (tmp_path / stage).mkdir()
    settings = make_settings(tmp_path / "encoder", tmp_path / "new")
    bound.keep_settings(settings, tmp_path)
    told = json.loads((tmp_path / "adapt.json").read_text(encoding="utf-8"))
    for name in told:
        (tmp_path / "adapt.json").write_text(json.dumps({**told, name: "another"}), encoding="utf-8")
        with pytest.raises(ValueError, match=f"other values of {name}"):
            bound.refuse_changes(settings, tmp_path)
