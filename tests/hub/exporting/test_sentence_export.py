"""What sentence-transformers makes of an export is what `load_encoder` makes of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

import hf_mplm
from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.hub.exporting.sentence_export import export_sentence_transformers
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from tests.fixtures import corpus_lines, tiny_bert, tiny_modernbert, tiny_xlm_roberta


sentence_transformers = pytest.importorskip("sentence_transformers")

MAKE = {"xlm-roberta": tiny_xlm_roberta, "bert": tiny_bert, "modernbert": tiny_modernbert}
# Of mixed lengths, one longer than the models have positions, one with blanks around it.
TEXTS = [line for _, line in corpus_lines("eng_Latn", "tha_Thai", "arb_Arab")] + ["a", "x y " * 300, "  two words "]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> dict[str, Path]:
    folders = {}
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    for name, make in MAKE.items():
        folders[name] = tmp_path_factory.mktemp(name)
        make(len(tokenizer), num_hidden_layers=4).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


def encode(folder: Path, batch_size: int = 5) -> np.ndarray:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu", trust_remote_code=False)
    assert model.similarity_fn_name == "cosine"
    return model.encode(TEXTS, batch_size=batch_size, show_progress_bar=False)


@pytest.mark.parametrize("layer", [None, 1, 4])
@pytest.mark.parametrize("name", MAKE)
def test_vectors_are_ours(name: str, layer: int | None, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    assert export_sentence_transformers(checkpoints[name], tmp_path / "out", layer=layer)
    encoder = hf_mplm.load_encoder(checkpoints[name], layer=layer)
    ours = encoder.encode(TEXTS)
    theirs = encode(tmp_path / "out")
    assert np.abs(ours - theirs).max() <= 1e-5
    again = hf_mplm.load_encoder(tmp_path / "out")
    assert np.array_equal(again.encode(TEXTS), ours) and again.max_length == encoder.max_length
    # Vacuity guard: another layer's vectors are others.
    other = hf_mplm.load_encoder(checkpoints[name], layer=2).encode(TEXTS)
    assert np.abs(other - theirs).max() > 1e-3


@pytest.mark.parametrize("name", ["xlm-roberta", "bert"])
def test_a_cut_encoder_is_bit_identical_and_has_no_later_layer(name: str, checkpoints, tmp_path: Path) -> None:
    export_sentence_transformers(checkpoints[name], tmp_path / "out", layer=3)
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert not [key for key in weights if "layer.3." in key] and [key for key in weights if "layer.2." in key]
    ids = torch.arange(5, 45).reshape(2, 20)
    cut, whole = (
        AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32).eval()
        for folder in (tmp_path / "out", checkpoints[name])
    )
    with torch.no_grad():
        expected = whole(ids, output_hidden_states=True).hidden_states[3]
        assert torch.equal(cut(ids).last_hidden_state, expected)


def test_a_checkpoint_of_langsamp_becomes_one_that_needs_no_code_of_ours(checkpoints, tmp_path: Path) -> None:
    model = XLMRobertaForLangScriptMLM.from_encoder(checkpoints["xlm-roberta"], ["eng_Latn", "tha_Thai"])
    model.save_pretrained(tmp_path / "langsamp")
    load_tokenizer(checkpoints["xlm-roberta"]).save_pretrained(tmp_path / "langsamp")
    export_sentence_transformers(tmp_path / "langsamp", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "xlm-roberta" and not {"auto_map", "languages", "scripts"} & set(config)
    assert not list((tmp_path / "out").glob("*.py"))
    ours = hf_mplm.load_encoder(tmp_path / "langsamp").encode(TEXTS)
    assert np.abs(ours - encode(tmp_path / "out")).max() <= 1e-5


def test_a_mean_is_subtracted(checkpoints, tmp_path: Path) -> None:
    centre = [line for _, line in corpus_lines("deu_Latn", "swh_Latn")]
    export_sentence_transformers(checkpoints["bert"], tmp_path / "out", centre=[*centre, " "], centred_on="/x/udhr")
    encoder = hf_mplm.load_encoder(checkpoints["bert"])
    mean = encoder.encode(centre).mean(axis=0)
    expected = encoder.encode(TEXTS) - mean
    assert np.abs(expected - encode(tmp_path / "out")).max() <= 1e-5 and np.abs(mean).max() > 0.1
    assert np.abs(hf_mplm.load_encoder(tmp_path / "out").encode(TEXTS) - expected).max() <= 1e-5
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "less the mean vector of\nudhr" in card and "/x/" not in card


def test_the_verb_writes_once_and_says_what_it_refuses(checkpoints, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    command = ["export", "sentence-transformers", "--model", str(checkpoints["bert"]), "--output", str(out)]
    assert main(command) == 0
    assert f"SentenceTransformer('{out}')" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    (out / "README.md").write_text("mine", encoding="utf-8")
    assert main(command) == 0 and "finished already" in capsys.readouterr().out
    assert {path for path in out.rglob("*") if before[path] != path.stat().st_mtime_ns} == {out / "README.md"}
    assert main([*command, "--layer", "1"]) == 2 and "layer: 3 then, 1 now" in capsys.readouterr().err
    assert main([*command, "--layer", "9"]) == 2 and "layer 9 does not exist" in capsys.readouterr().err
    assert main([*command, "--layer", "1", "--overwrite"]) == 0
    again = ["export", "sentence-transformers", "--model", str(out), "--output", str(tmp_path / "again")]
    assert main(again) == 2 and "modules of sentence-transformers already" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_an_output_that_is_not_known_is_no_last_layer(checkpoints, tmp_path: Path) -> None:
    export_sentence_transformers(checkpoints["modernbert"], tmp_path / "out")
    path = tmp_path / "out" / "sentence_bert_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["modality_config"]["text"]["method_output_name"] = "pooler_output"
    path.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ValueError, match="pools the output 'pooler_output'"):
        hf_mplm.load_encoder(tmp_path / "out")
