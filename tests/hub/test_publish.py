"""What goes to the Hub and what stays, told without a network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard

from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import save_tokenizer
from hf_mplm.hub.cards import write_model_card
from hf_mplm.hub.cards.sections import merge_metadata
from hf_mplm.hub.publish_metadata import hub_languages
from hf_mplm.hub.publishing import plan_publication
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from tests.fixtures import tiny_xlm_roberta


TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"
NAME = "somebody/lang"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    """A trained checkpoint as a run leaves it, among what else lies there."""
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    root = tmp_path_factory.mktemp("publish")
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    tiny_xlm_roberta(len(tokenizer)).save_pretrained(root / "start")
    save_tokenizer(tokenizer, root / "start")
    model = XLMRobertaForLangScriptMLM.from_encoder(root / "start", ["eng_Latn", "swh_Latn", "ajp_Arab"])
    folder = root / "my langsamp"
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    arguments = {"output_dir": str(folder), "logging_dir": "/tmp/x", "hub_token": TOKEN, "learning_rate": 1e-4}
    (folder / "training_args.json").write_text(json.dumps(arguments), encoding="utf-8")
    run = {"origin": {"model": {"name": str(root / "start"), "weights": "abc"}}, "processes": 1, "changes": []}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    for name in ("optimizer.pt", "rng_state.pth", "notes-private.txt", "training_args.bin", "pairs/data.arrow"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"mine")
    write_model_card(folder, language_counts={"eng_Latn": 7, "swh_Latn": 3, "ajp_Arab": 1})
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "my langsamp"))


def planned(folder: Path, repo_id: str = NAME, **settings: object) -> dict[str, bytes]:
    with plan_publication(folder, repo_id, **settings) as publication:  # type: ignore[arg-type]
        return {
            name: content if isinstance(content, bytes) else content.read_bytes()
            for name, content in publication.files.items()
        }


def test_what_goes_is_a_list_and_nothing_else(made: Path) -> None:
    with plan_publication(made, NAME) as publication:
        files, left = set(publication.files), publication.left
    assert {"config.json", "model.safetensors", "modeling_xlm_roberta_langscript.py", "README.md"} <= files
    assert {"encoder/config.json", "encoder/model.safetensors", "encoder/sentencepiece.bpe.model"} <= files
    assert {"hf_mplm.json", "digests.json", "sentencepiece.bpe.model"} <= files
    assert {"notes-private.txt", "optimizer.pt", "pairs/", "rng_state.pth", "run.json", "training_args.bin"} == set(
        left
    )
    assert not [name for name in files if name.endswith((".pt", ".bin", ".pth", ".txt"))]


def test_no_place_no_user_no_token(made: Path) -> None:
    files = planned(made)
    for name, content in files.items():
        assert TOKEN.encode() not in content and str(made.parent).encode() not in content, name
    assert set(json.loads(files["training_args.json"])) == {"learning_rate"}
    record = json.loads(files["hf_mplm.json"])
    assert record["origin"]["model"] == {"name": "start", "weights": "abc"}
    assert record["files"] == sorted(files) and record["kind"] == "langsamp"
    assert planned(made) == files, "the same folder gives the same bytes"


def test_the_card_names_the_repository_and_languages_as_the_hub_does(made: Path) -> None:
    card = ModelCard(planned(made)["README.md"].decode())
    assert card.data.language == ["en", "sw"] and "ajp_Arab" in card.text
    assert f'AutoModel.from_pretrained("{NAME}")' in card.text and "my langsamp" not in card.text
    assert "| ajp_Arab | 1 |" in card.text and "No licence was given" in card.text
    assert ModelCard(planned(made, license="apache-2.0")["README.md"].decode()).data.license == "apache-2.0"


def test_two_letters_where_a_language_or_its_macrolanguage_has_them() -> None:
    codes = [
        "arb_Arab",
        "swh_Latn",
        "deu_Latn",
        "fon_Latn",
        "yue_Hant",
        "quy_Latn",
        "ajp_Arab",
        "kzj_Latn",
        "eml_Latn",
    ]
    assert hub_languages(codes) == ["ar", "de", "fon", "qu", "sw", "zh"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "it is empty"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "no whole safetensors"),
        (lambda folder: (folder / "README.md").write_text("---\na: [\n---\n"), "front matter cannot be read"),
        (lambda folder: (folder / "README.md").write_text("---\nlanguage: ajp\n---\n"), "takes no language 'ajp'"),
        (lambda folder: (folder / "README.md").write_bytes(b"\xff\xfe"), "not UTF-8"),
        (lambda folder: (folder / "README.md").write_text(f"use {TOKEN}"), "line 1, holds a token"),
        (lambda folder: (folder / "README.md").write_text(f"see {folder}/x"), "a path of this machine"),
        (lambda folder: (folder / "langscript.py").unlink(), "lacks langscript.py"),
        (lambda folder: (folder / "tokenizer.json").unlink(), None),
        (lambda folder: _link(folder, "sentencepiece.bpe.model"), "a link to a file outside"),
        (lambda folder: (folder / "config.json").write_text("{"), "not JSON"),
    ],
)
def test_hostile_folders_are_refused_in_one_line(folder: Path, spoil, words: str | None) -> None:
    spoil(folder)
    if words is None:
        for name in ("tokenizer_config.json",):
            (folder / name).unlink()
        words = r"holds no token\*\.json"
    with pytest.raises((ValueError, OSError), match=words) as caught:
        planned(folder)
    assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)


def _link(folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    (folder / name).rename(outside)
    os.symlink(outside, folder / name)


@pytest.mark.parametrize("name", ["no owner", "a/b/c", "some body/name", "../x", "somebody/.."])
def test_names_that_are_no_repository_are_refused(made: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["push", str(made), name, "--dry_run"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_is_told_and_nothing_is_sent(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hf_mplm.modeling.langscript.LangScriptLM.export_encoder", full)
    with pytest.raises(OSError, match="--without_encoder"):
        planned(made)
    assert "encoder/config.json" not in planned(made, with_encoder=False)


def test_text_of_others_goes_only_by_name(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(ValueError, match="--kind token-store"):
        planned(tmp_path)
    with pytest.raises(ValueError, match="nothing that is published"):
        planned(tmp_path.parent)


def test_a_dry_run_shows_files_and_card(made: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["push", str(made), NAME, "--dry_run", "--without_encoder"]) == 0
    told = capsys.readouterr().out
    assert "model.safetensors" in told and "notes-private.txt" in told and f'"{NAME}"' in told
    assert "Nothing was sent" in told and "encoder/" not in told.split("together")[0]


def test_static_embeddings_load_from_what_goes(tmp_path: Path) -> None:
    table = WordTable("eng_Latn", ["one", "two"], np.array([2, 1]), np.eye(2, dtype=np.float32))
    encoder = {"encoder": str(tmp_path / "an-encoder")}
    StaticEmbeddings([table], encoder).save_pretrained(tmp_path / "vectors")
    for name, content in planned(tmp_path / "vectors", "me/vectors").items():
        (tmp_path / "fetched").mkdir(exist_ok=True)
        (tmp_path / "fetched" / name).write_bytes(content)
    again = StaticEmbeddings.from_pretrained(tmp_path / "fetched")
    # Its digests are of what was sent, in which the encoder's place is left out.
    assert again.config["encoder"] == "an-encoder" and again.vector("one", "eng_Latn")[0] == 1


def test_an_authors_words_and_metadata_stay(folder: Path) -> None:
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8").replace("pipeline_tag: fill-mask", "pipeline_tag: feature-extraction")
    text = text.replace("<!-- hf_mplm: limits -->", "My own words.\n\n<!-- hf_mplm: limits -->")
    path.write_text(text.replace("learning rate: 0.0001", "learning rate: changed by hand"), encoding="utf-8")
    write_model_card(folder, language_counts={"eng_Latn": 9}, license="mit")
    card = ModelCard.load(path)
    assert "My own words." in card.text and "learning rate: 0.0001" in card.text
    assert "| English | eng_Latn | 9 |" in card.text and "swh_Latn" not in card.text
    assert card.data.pipeline_tag == "feature-extraction" and card.data.license == "mit"
    assert card.data.language == ["en"], "what nobody changed follows"
    assert card.text.count("## Limits") == 1
    # Twice is once.
    before = path.read_bytes()
    write_model_card(folder, language_counts={"eng_Latn": 9}, license="mit")
    assert path.read_bytes() == before


def test_metadata_that_a_person_took_out_stays_out() -> None:
    assert merge_metadata({"a": 1}, {"a": 2, "b": 3}, {"b": "00"}) == {"a": 1}
    assert merge_metadata({}, {"a": 2}, {}) == {"a": 2}


def test_weights_are_readable_by_whom_the_rest_is(made: Path) -> None:
    mode = (made / "config.json").stat().st_mode
    assert (made / "model.safetensors").stat().st_mode == mode
    settings = json.loads((made / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert not {"is_local", "local_files_only"} & set(settings)


def test_an_exported_encoder_has_its_tokenizer_and_card(made: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(made, trust_remote_code=False)
    model.export_encoder(tmp_path / "plain")
    there = AutoTokenizer.from_pretrained(tmp_path / "plain", trust_remote_code=False)
    here = AutoTokenizer.from_pretrained(made, trust_remote_code=False)
    assert there("Habari ya asubuhi").input_ids == here("Habari ya asubuhi").input_ids
    assert (tmp_path / "plain" / "sentencepiece.bpe.model").is_file()
    text = (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(text.split("---")[1])["library_name"] == "transformers"
    model.config._name_or_path = ""
    with pytest.warns(UserWarning, match="Give it: model.export_encoder"):
        model.export_encoder(tmp_path / "none")
