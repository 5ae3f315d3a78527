from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.jobs.digests import find_damage
from hf_mplm.sprachbund import LanguageVectors
from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from tests.fixtures import CORPUS, tiny_xlm_roberta


@pytest.fixture(scope="module")
def vectors_folder(tiny_tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sprachbund")
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    for part in (tiny_xlm_roberta(len(tokenizer), initializer_range=0.3), tokenizer):
        part.save_pretrained(folder / "model")
    assert main(["sprachbund", "vectors", *where(folder), "--output", str(folder / "vectors")]) == 0
    return folder


def where(folder: Path) -> list[str]:
    return ["--model", str(folder / "model"), "--corpus", str(CORPUS), "--device", "cpu"]


def cluster(folder: Path, output: Path, *more: str) -> int:
    return main(["sprachbund", "cluster", str(folder / "vectors"), "--output", str(output), *more])


def test_vectors_and_clusters_are_written_drawn_and_told(
    vectors_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = LanguageVectors.load(vectors_folder / "vectors")
    assert vectors.views == ["layer1-mean", "layer1-cls", "layer2-mean", "layer2-cls"]
    assert cluster(vectors_folder, tmp_path / "out", "--num_clusters", "3", "--max_share", "0.9") == 0
    said = capsys.readouterr().out
    assert "3 clusters of 14 languages, by layer1-mean" in said and "stays with pivot" in said
    found = Sprachbunds.load(tmp_path / "out")
    assert sum(map(len, found.clusters)) == 14 and found.settings["view"] == "layer1-mean"
    written = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"{name}.{kind}" for name in ("map", "dendrogram", "similarities") for kind in ("svg", "png")}
    assert pictures | {"sprachbunds.json", "digests.json"} <= written
    assert find_damage(tmp_path / "out") == []
    assert cluster(vectors_folder, tmp_path / "random", "--num_clusters", "3", "--random", "1") == 0
    assert [len(c) for c in Sprachbunds.load(tmp_path / "random").clusters] == [len(c) for c in found.clusters]
    assert cluster(vectors_folder, tmp_path / "file", "--from_json", str(tmp_path / "out" / "sprachbunds.json")) == 0
    assert Sprachbunds.load(tmp_path / "file").clusters == found.clusters


@pytest.mark.parametrize(
    ("view", "flags", "message"),
    [
        ("layer1-mean", ["--config", "sprachbund-paper"], "layer2-cls, which --layer last --pooling cls names"),
        ("layer1-mean", ["--layer", "2"], "layer2-mean, which --layer 2 --pooling mean names"),
        ("layer1-mean", ["--pooling", "cls"], "layer1-cls, which --layer third --pooling cls names"),
        ("layer1-mean", ["--layer", "third"], None),
        ("layer2-cls", [], None),
        ("layer2-cls", ["--config", "sprachbund-paper", "--num_clusters", "2"], None),
        ("layer2-cls", ["--pooling", "cls"], None),
        ("layer2-cls", ["--layer", "2"], None),
    ],
)
def test_the_only_view_is_taken_unless_another_is_named(
    vectors_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    view: str,
    flags: list[str],
    message: str | None,
) -> None:
    LanguageVectors.load(vectors_folder / "vectors").select(views=[view]).save(tmp_path / "vectors")
    done = cluster(tmp_path, tmp_path / "out", "--num_clusters", "2", *flags)
    if message is None:
        assert done == 0 and Sprachbunds.load(tmp_path / "out").settings["view"] == view
        return
    assert done == 2 and not (tmp_path / "out").exists()
    assert f"no view {message}; give --view with one of {view}\n" in capsys.readouterr().err


@pytest.mark.slow
def test_one_recipe_serves_both_actions(vectors_folder: Path, tmp_path: Path) -> None:
    paper = ["--config", "sprachbund-paper"]
    command = ["sprachbund", "vectors", *where(vectors_folder), "--output", str(tmp_path / "v"), *paper]
    assert main(command) == 0
    assert LanguageVectors.load(tmp_path / "v").views == ["layer2-cls"]
    assert cluster(vectors_folder, tmp_path / "c", *paper) == 0
    found = Sprachbunds.load(tmp_path / "c")
    assert len(found.clusters) == 4 and found.settings["center"] is False and found.settings["view"] == "layer2-cls"
    assert cluster(vectors_folder, tmp_path / "ours", "--config", "sprachbund", "--num_clusters", "2") == 0
    assert Sprachbunds.load(tmp_path / "ours").settings["view"] == "layer1-mean"


def test_tables_of_langsamp_and_word_vectors_are_taken(
    vectors_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hf_mplm.modeling import XLMRobertaForLangScriptMLM

    codes = ["deu_Latn", "eng_Latn", "rus_Cyrl", "swh_Latn"]
    model = XLMRobertaForLangScriptMLM.from_encoder(str(vectors_folder / "model"), languages=codes)
    model.save_pretrained(tmp_path / "model")
    output = str(tmp_path / "langsamp")
    assert main(["sprachbund", "vectors", "--from", "langsamp", str(tmp_path / "model"), "--output", output]) == 0
    vectors = LanguageVectors.load(output)
    table = dict(zip(model.config.languages, model.language_embeddings.weight.detach().numpy()))
    assert vectors.languages == codes and vectors.views == ["langsamp"]
    assert vectors.matrix(center=False) == pytest.approx(np.stack([table[code[:3]] for code in codes]))
    assert np.isnan(vectors.standard_errors()).all()

    generator = np.random.default_rng(0)
    tables = [
        WordTable(
            code, [f"w{n}" for n in range(40)], np.arange(40, 0, -1), generator.normal(size=(40, 6)).astype("f4")
        )
        for code in codes
    ]
    StaticEmbeddings(tables).save_pretrained(tmp_path / "words")
    output = str(tmp_path / "static")
    assert main(["sprachbund", "vectors", "--from", "static", str(tmp_path / "words"), "--output", output]) == 0
    means = [table.vectors.mean(axis=0) for table in tables]
    assert LanguageVectors.load(output).matrix(center=False) == pytest.approx(np.array(means), abs=1e-6)
    assert "Vectors of 4 languages (static)" in capsys.readouterr().out


def test_vectors_of_something_else_are_replaced_on_request_alone(
    vectors_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    shutil.copytree(vectors_folder / "vectors", output)
    generator = np.random.default_rng(0)
    for name in ("words", "others"):
        tables = [
            WordTable(code, ["a", "b"], np.ones(2, dtype=int), generator.normal(size=(2, 6)).astype("f4"))
            for code in ("deu_Latn", "eng_Latn")
        ]
        StaticEmbeddings(tables).save_pretrained(tmp_path / name)

    def take(name: str, *more: str) -> int:
        words = ["--from", "static", str(tmp_path / name), "--output", str(output), *more]
        return main(["sprachbund", "vectors", *words])

    def refused(name: str, difference: str, *more: str) -> None:
        before = (output / "vectors.safetensors").read_bytes()
        assert take(name, *more) == 2
        error = capsys.readouterr().err
        assert "made from something else" in error and difference in error and "--overwrite" in error
        assert (output / "vectors.safetensors").read_bytes() == before

    refused("words", "source: 'encoder' then, 'static' now")
    assert take("words", "--overwrite") == 0 and LanguageVectors.load(output).views == ["static"]
    # The same once more, wherever it lies by now.
    (tmp_path / "words").rename(tmp_path / "moved")
    assert take("moved") == 0
    refused("others", "revision: ")
    refused("moved", "languages: ['deu_Latn', 'eng_Latn'] then, ['eng_Latn'] now", "--languages", "eng_Latn")
    expected = StaticEmbeddings.from_pretrained(tmp_path / "moved").table("deu_Latn").vectors.mean(axis=0)
    assert LanguageVectors.load(output).matrix(center=False)[0] == pytest.approx(expected, abs=1e-6)
    (output / "vectors.safetensors").write_bytes(b"damaged")
    assert take("moved") == 2 and "vectors.safetensors" in capsys.readouterr().err
    assert take("moved", "--overwrite") == 0 and find_damage(output) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["vectors", "--output", "OUT"], "give the encoder by --model MODEL and the text by --corpus"),
        (["vectors", "--from", "moon", "--output", "OUT"], "needed is langsamp MODEL, static FOLDER or controls"),
        (["vectors", "--from", "static", "--output", "OUT"], "--from static needs one folder"),
        (["vectors", "--from", "langsamp", "MODEL", "--output", "OUT"], "has no table of languages"),
        (
            ["cluster", "VECTORS", "--output", "OUT", "--view", "layer7-mean"],
            "no view 'layer7-mean'; there are layer1",
        ),
        (["cluster", "VECTORS", "--output", "OUT", "--layer", "0"], "no view layer0-mean.*give --view with one of"),
        (["cluster", "VECTORS", "--output", "OUT", "--num_clusters", "15"], "15 clusters cannot be made of 14"),
        (["cluster", "VECTORS", "--output", "OUT", "--num_clusters", "few"], "needed is a number or auto"),
        (["cluster", "VECTORS", "--output", "OUT", "--from_json", "none.json"], "there is no file none.json"),
        (["cluster", "none", "--output", "OUT"], "there is no folder none; make one with: hf-mplm sprachbund vectors"),
        (["cluster", "VECTORS", "--output", "MODEL"], "holds no clusters, so it is not replaced"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    vectors_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    places = {"OUT": tmp_path / "out", "VECTORS": vectors_folder / "vectors", "MODEL": vectors_folder / "model"}
    assert main(["sprachbund", *(str(places.get(word, word)) for word in command)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_language_that_is_named_and_has_no_sentence_is_told(
    vectors_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text"
    text.mkdir()
    (text / "deu_Latn.txt").write_text("Alle Menschen sind frei und gleich geboren.\nJeder hat das Recht auf Leben.\n")
    (text / "eng_Latn.txt").write_text("short\n")
    command = ["sprachbund", "vectors", "--model", str(vectors_folder / "model"), "--corpus", str(text)]
    assert main([*command, "--languages", "deu,eng", "--output", str(tmp_path / "v")]) == 1
    said = capsys.readouterr()
    assert "No sentence is left of: eng_Latn" in said.out and "no sentence of eng," in said.err
    assert json.loads((tmp_path / "v" / "vectors.json").read_text())["without_sentences"] == ["eng_Latn"]
