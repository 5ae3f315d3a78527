"""What onnxruntime makes of an export is what torch makes of the checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hf_mplm
from hf_mplm.cli.main import main
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.hub.exporting.onnx_export import compare_encoders, export_onnx
from hf_mplm.hub.exporting.onnx_graph import MODEL_FILE, QUANTIZED_FILE, write_graph
from hf_mplm.hub.exporting.stock_encoder import load_stock_encoder
from tests.fixtures import corpus_lines, tiny_bert, tiny_modernbert, tiny_xlm_roberta


MAKE = {"xlm-roberta": tiny_xlm_roberta, "bert": tiny_bert, "modernbert": tiny_modernbert}
PARALLEL = {code: [line for _, line in corpus_lines(code)][:8] for code in ("eng_Latn", "swh_Latn", "tha_Thai")}
TEXTS = [*(text for texts in PARALLEL.values() for text in texts), "a", "x y " * 300]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path):
    tokenizer = load_tokenizer(tiny_tokenizer_folder)

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        MAKE[name](len(tokenizer), num_hidden_layers=3).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.mark.parametrize(
    "name", ["xlm-roberta", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bert", "modernbert"))]
)
def test_vectors_are_those_of_torch(name: str, checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from hf_mplm.hub.exporting.onnx_encoder import OnnxEncoder

    folder, out = checkpoint(name), tmp_path / "out"
    measured = export_onnx(folder, out, PARALLEL, int8=True, with_pooling=name != "bert")
    assert [one.file for one in measured] == [MODEL_FILE, QUANTIZED_FILE]
    assert measured[0].difference <= 2e-6 and measured[1].cosine > 0.99 and measured[1].difference > 1e-4
    assert measured[1].bytes < measured[0].bytes
    encoder = hf_mplm.load_encoder(folder)
    ours = encoder.encode(TEXTS)
    for tokens in (16, 4096):  # batches of one sentence, and of all
        graph = OnnxEncoder(out, max_length=encoder.max_length, tokens_per_batch=tokens)
        assert graph.pools == (name != "bert")
        assert np.abs(graph.encode(TEXTS) - ours).max() <= 1e-4
    assert sorted(path.name for path in (out / "onnx").iterdir()) == ["model.onnx", "model_quantized.onnx"]
    # No path of this machine is published, as torch would write one for each node.
    code = str(Path(np.__file__).parents[1]).encode()
    assert all(code not in path.read_bytes() for path in out.rglob("*") if path.is_file())
    again = export_onnx(folder, out, PARALLEL, int8=True, with_pooling=name != "bert")
    assert again == measured


@pytest.mark.slow
def test_large_weights_stand_beside_the_graph(checkpoint, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    from hf_mplm.hub.exporting.onnx_graph import quantize_graph

    encoder = load_stock_encoder(checkpoint("bert"), 1)
    write_graph(encoder, tmp_path / MODEL_FILE, external_bytes=0)
    quantize_graph(tmp_path / MODEL_FILE, tmp_path / QUANTIZED_FILE, external_bytes=0)
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert names == ["model.onnx", "model.onnx_data", "model_quantized.onnx", "model_quantized.onnx_data"]
    inputs = {"input_ids": np.arange(6)[None] + 3, "attention_mask": np.ones((1, 6), np.int64)}
    states = [
        onnxruntime.InferenceSession(str(tmp_path / file)).run(None, inputs)[0]
        for file in (MODEL_FILE, QUANTIZED_FILE)
    ]
    assert 0 < np.abs(states[0] - states[1]).max() < 0.5


def test_what_is_compared_is_told_apart() -> None:
    class Turned:
        name, revision, layer = "turned", "", -1

        def encode(self, texts, *, progress=False, language=None):
            vectors = np.eye(8, dtype=np.float32)[: len(texts)]
            return vectors if texts is not PARALLEL["tha_Thai"] else np.roll(vectors, self.step, axis=0)

    straight, turned = Turned(), Turned()
    straight.step, turned.step = 0, 1
    assert compare_encoders(straight, straight, PARALLEL) == (0.0, 1.0, 1.0, 1.0)
    assert compare_encoders(turned, straight, PARALLEL) == (1.0, 0.0, 0.5, 1.0)


def test_without_the_extra_it_says_how_to_install_it(
    checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    command = ["export", "onnx", "--model", str(checkpoint("bert")), "--output", str(tmp_path / "out")]
    assert main([*command, "--sentences", "1"]) == 2 and "needed is 2 or more" in capsys.readouterr().err
    assert main(command) == 2
    assert 'pip install "hf-mplm[export]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
