from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hf_mplm.adapt import AdaptJob, AdaptSettings, diagnosis, job
from hf_mplm.cli.main import main
from hf_mplm.cli.reading import READING
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from tests import fixtures

from .helpers import make_settings, sample_lines, save_encoder


class StopHere(Exception):
    pass


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    return save_encoder(tmp_path_factory.mktemp("encoder"), fixtures.tiny_xlm_roberta(len(tokenizer)), tokenizer)


@pytest.fixture(autouse=True)
def _few_languages_to_compare_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "sample_languages", lambda: ["eng_Latn", "swh_Latn"])


def write_rows(folder: Path, lines: dict[str, list[str]]) -> Path:
    """JSON lines whose columns have other names than usual, beside a column that would be read by default."""
    folder.mkdir()
    rows = [{"body": text, "iso": code, "text": "wrong"} for code, texts in lines.items() for text in texts]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture
def corpora(tmp_path: Path) -> dict[str, Path]:
    # In letters that the tiny vocabulary knows, whatever the code says.
    new = {"wol_Latn": sample_lines("wol_Latn", 40), "zho_Hans": sample_lines("swh_Latn", 40)}
    return {
        "corpus": write_rows(tmp_path / "new", new),
        "replay_corpus": write_rows(tmp_path / "old", {"swh_Latn": sample_lines("swh_Latn", 40)}),
    }


def test_settings_have_every_flag_of_reading() -> None:
    assert set(READING) <= {spec.name for spec in fields(AdaptSettings)}


def test_flags_of_reading_reach_the_diagnosis(encoder: Path, corpora: dict[str, Path], tmp_path: Path) -> None:
    given = [word for name, folder in corpora.items() for word in (f"--{name}", str(folder))]
    flags = ["--text_column", "body", "--language_column", "iso", "--fold_han", "--dry_run", "--use_cpu"]
    assert main(["adapt", "--model", str(encoder), "--output", str(tmp_path / "out"), *given, *flags]) == 0
    found = json.loads((tmp_path / "out" / "diagnosis" / "diagnosis.json").read_text(encoding="utf-8"))["languages"]
    assert {code: about["sentences"] for code, about in found.items()} == {"wol_Latn": 40, "zho_Hani": 40}
    assert found["wol_Latn"]["characters"] == sum(len("".join(line.split())) for line in sample_lines("wol_Latn", 40))


def test_new_and_replayed_text_are_read_alike(
    encoder: Path, corpora: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def stop(_settings: Any, _start: Any, store: Any, replayed: list[str], *_rest: Any) -> None:
        seen.update(languages=store.languages, replayed=replayed, sentences=store.info["totals"]["sentences"])
        raise StopHere

    monkeypatch.setattr(job, "train_model", stop)
    columns = {"text_column": "body", "language_column": "iso", "fold_han": True, "new_pieces": "0"}
    settings = make_settings(encoder, corpora["corpus"], replay_corpus=(str(corpora["replay_corpus"]),), **columns)
    with pytest.raises(StopHere):
        AdaptJob(settings, tmp_path / "out").run()
    assert set(seen["languages"]) == {"wol_Latn", "zho_Hani", "swh_Latn"} and seen["replayed"] == ["swh_Latn"]
    # Of each a tenth is held out.
    assert seen["sentences"] == 3 * (40 - 4)
    both = make_settings(encoder, corpora["corpus"], replay_corpus=(str(corpora["corpus"]),), **columns)
    with pytest.raises(ValueError, match="wol_Latn, zho_Hani would be new and replayed at once"):
        AdaptJob(both, tmp_path / "both").run()


def test_split_and_revision_reach_every_reader(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only datasets on the Hub have them, so that the readers are asked what they were given."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "wol_Latn.txt").write_text("\n".join(sample_lines("wol_Latn", 40)) + "\n", encoding="utf-8")
    seen: dict[str, Any] = {}

    def watch(module: Any, name: str) -> None:
        read = getattr(module, name)

        def reading(*args: Any, **given: Any) -> Any:
            options = given.get("options")
            seen[name] = (given["split"], given["revision"]) if options is None else (options.split, options.revision)
            return read(*args, **given)

        monkeypatch.setattr(module, name, reading)

    def stop(*_args: Any) -> None:
        raise StopHere

    for module, name in ((diagnosis, "iter_corpus"), (job, "extend_encoder"), (job, "prepare_store")):
        watch(module, name)
    monkeypatch.setattr(job, "train_model", stop)
    settings = make_settings(encoder, folder, new_pieces="50", split="dev", corpus_revision="v2")
    with pytest.raises(StopHere):
        AdaptJob(settings, tmp_path / "out").run()
    assert seen == dict.fromkeys(("iter_corpus", "extend_encoder", "prepare_store"), ("dev", "v2"))
