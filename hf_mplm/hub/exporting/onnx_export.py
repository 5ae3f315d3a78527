"""`hf-mplm export onnx`: a folder that onnxruntime and transformers.js load, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hf_mplm.evaluation.encoder import Encoder, TransformerEncoder
from hf_mplm.evaluation.kinds.retrieval import retrieval_accuracy
from hf_mplm.evaluation.loading import model_revision, position_limit
from hf_mplm.jobs.files import read_json, write_json
from hf_mplm.jobs.job import make_folder

from ..cards.export import write_export_card
from .onnx_encoder import OnnxEncoder
from .onnx_graph import MODEL_FILE, QUANTIZED_FILE, quantize_graph, write_graph
from .sentence_export import export_job, refuse_modules
from .sentence_folder import MAX_LENGTH, write_modules
from .stock_encoder import StockEncoder, load_stock_encoder, save_tokenizer


__all__ = ["TOLERANCE", "Measured", "compare_encoders", "export_onnx"]

TOLERANCE = 1e-4
"""How far an entry of a vector of the graph in float32 may be from torch's."""

MEASURED_FILE = "measured.json"


class Measured(NamedTuple):
    """One graph against torch.

    Args:
        file (`str`): The graph.
        bytes (`int`): Its size, with its weights.
        difference (`float`): Largest absolute difference of an entry of a vector.
        cosine (`float`): Smallest cosine of a sentence's two vectors.
        accuracy (`float`): Retrieval accuracy@1 of the other languages' sentences, mean over languages.
        torch_accuracy (`float`): The same of torch.
        sentences (`int`): How many were compared.
        languages (`int`): Of how many languages besides the source.
    """

    file: str
    bytes: int
    difference: float
    cosine: float
    accuracy: float
    torch_accuracy: float
    sentences: int
    languages: int

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.file} ({self.bytes / 1e6:,.1f} MB): largest difference to torch {self.difference:.1e}, smallest "
            f"cosine {self.cosine:.6f}; accuracy@1 {self.accuracy:.3f} instead of {self.torch_accuracy:.3f} over "
            f"{self.languages} languages ({self.sentences:,} sentences)"
        )


def export_onnx(
    model: str | Path,
    output: str | Path,
    sentences: Mapping[str, Sequence[str]],
    *,
    layer: int | None = None,
    with_pooling: bool = False,
    int8: bool = False,
    name: str | None = None,
    license: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    overwrite: bool = False,
) -> list[Measured]:
    """Write an encoder as ONNX up to the layer that is pooled, and compare it with torch.

    The folder holds `onnx/model.onnx`, on request `onnx/model_quantized.onnx`, configuration, tokenizer and the files
    of sentence-transformers' modules, as transformers.js and sentence-transformers look for them.

    Args:
        model (`str` or `Path`): Hub id or folder of an encoder, with or without a head.
        output (`str` or `Path`): Folder to write, whole or not at all.
        sentences (`Mapping[str, Sequence[str]]`): Parallel sentences by language, of at least two languages, by which
            the graphs are compared with torch; the first language asks.
        layer (`int`, *optional*): Layer to pool, two thirds of the depth by default.
        with_pooling (`bool`, *optional*, defaults to `False`): Whether the graph also gives `sentence_embedding`.
        int8 (`bool`, *optional*, defaults to `False`): Whether to write the quantised graph too.
        name (`str`, *optional*): What the card calls the model; the folder's name by default.
        license (`str`, *optional*): The Hub's licence identifier.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        overwrite (`bool`, *optional*, defaults to `False`): Replace an export of something else.

    Returns:
        `list[Measured]`: A graph each; of an export that stood there what was measured then.

    Raises:
        ImportError: If `hf-mplm[export]` is not installed.
        ValueError: If there is no such layer, the architecture cannot be traced, the graph does not give torch's
            vectors, or something else stands at `output`.
        DamagedError: If the model cannot be read.
    """
    output = Path(output)
    if len(sentences) < 2:
        raise ValueError(f"sentences of {len(sentences)} language were given; needed are two to compare by")
    refuse_modules(model, revision)
    encoder = load_stock_encoder(model, layer, revision=revision, trust_remote_code=trust_remote_code)
    plan = {
        "identity": {
            "kind": "onnx",
            "model": str(model),
            "revision": model_revision(model, revision=revision, trust_remote_code=trust_remote_code),
            "layer": encoder.layer,
            "with_pooling": with_pooling,
            "int8": int8,
        }
    }

    def build(folder: Path) -> None:
        encoder.model.config.save_pretrained(folder)
        save_tokenizer(encoder, folder)
        write_modules(encoder, folder)
        write_graph(encoder, folder / MODEL_FILE, with_pooling=with_pooling)
        files = [MODEL_FILE]
        if int8:
            quantize_graph(folder / MODEL_FILE, folder / QUANTIZED_FILE)
            files.append(QUANTIZED_FILE)
        measured = _measure(encoder, folder, files, sentences)
        write_json(folder / MEASURED_FILE, [one._asdict() for one in measured])
        write_export_card(
            folder,
            name=name or output.resolve().name,
            base_model=model,
            license=license,
            max_length=min(MAX_LENGTH, position_limit(encoder.model, encoder.tokenizer)),
            before=output / "README.md",
            layer=encoder.layer,
            depth=encoder.depth,
            is_cut=True,
            onnx_files=files,
            with_pooling=with_pooling,
            measured=[one.describe() for one in measured],
        )

    make_folder(export_job(output, "hf-mplm export onnx"), plan, build, overwrite=overwrite, undigested=["README.md"])
    return [Measured(**entry) for entry in read_json(output / MEASURED_FILE)]


def compare_encoders(
    encoder: Encoder, other: Encoder, sentences: Mapping[str, Sequence[str]]
) -> tuple[float, float, float, float]:
    """Hold the vectors of an encoder against those of another.

    Args:
        encoder (`Encoder`): The one.
        other (`Encoder`): The other.
        sentences (`Mapping[str, Sequence[str]]`): Parallel sentences by language; the first language asks.

    Returns:
        `tuple[float, float, float, float]`: Largest difference of an entry, smallest cosine, and the mean accuracy@1
        over languages of `encoder` and of `other`.
    """
    source, *targets = sentences
    ours = {code: encoder.encode(texts) for code, texts in sentences.items()}
    theirs = {code: other.encode(texts) for code, texts in sentences.items()}
    difference = max(float(np.abs(ours[code] - theirs[code]).max()) for code in sentences)
    cosine = min(float(_cosines(ours[code], theirs[code]).min()) for code in sentences)
    before, after = (
        float(np.mean([retrieval_accuracy(own[source], own[code])["accuracy@1"] for code in targets]))
        for own in (ours, theirs)
    )
    return difference, cosine, before, after


def _measure(
    encoder: StockEncoder, folder: Path, files: Sequence[str], sentences: Mapping[str, Sequence[str]]
) -> list[Measured]:
    layer = int(encoder.model.config.num_hidden_layers) if encoder.is_cut else encoder.layer
    limit = min(MAX_LENGTH, position_limit(encoder.model, encoder.tokenizer))
    torch_encoder = TransformerEncoder(encoder.model, encoder.tokenizer, layer=layer, name="torch", device="cpu")
    found = []
    for file in files:
        graph = OnnxEncoder(folder, file, max_length=limit)
        difference, cosine, accuracy, before = compare_encoders(graph, torch_encoder, sentences)
        if file == MODEL_FILE and not difference <= TOLERANCE:
            raise ValueError(
                f"the graph's vectors differ from torch's by {difference:.1e}, which is more than {TOLERANCE:.0e}: "
                "nothing was written"
            )
        size = sum(part.stat().st_size for part in (folder / file).parent.glob(f"{Path(file).name}*"))
        count = sum(map(len, sentences.values()))
        found.append(Measured(file, size, difference, cosine, accuracy, before, count, len(sentences) - 1))
    return found


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: np.ndarray = (one * other).sum(axis=1) / np.maximum(norms, 1e-12)
    return cosines
