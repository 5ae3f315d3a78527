"""`hf-mplm export sentence-transformers`: from a checkpoint to a folder that sentence-transformers loads."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.loading import model_revision, position_limit
from hf_mplm.evaluation.sentence_modules import MODULES_FILE, find_file
from hf_mplm.jobs.job import Job, make_folder

from ..cards.export import write_export_card
from .sentence_folder import MAX_LENGTH, write_sentence_folder
from .stock_encoder import StockEncoder, load_stock_encoder


__all__ = ["EXPORT_FILE", "export_job", "export_sentence_transformers", "mean_vector", "refuse_modules"]

EXPORT_FILE = "export.json"
_BATCH = 4096


def export_sentence_transformers(
    model: str | Path,
    output: str | Path,
    *,
    layer: int | None = None,
    centre: Iterable[str] | None = None,
    centred_on: str = "",
    name: str | None = None,
    license: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    overwrite: bool = False,
) -> bool:
    """Write an encoder as a folder that `SentenceTransformer` loads, with the vectors of [`hf_mplm.load_encoder`].

    XLM-R and BERT are cut at the layer that is pooled, with bit-identical states; of ModernBERT and of architectures
    that are not known here the folder asks sentence-transformers for that layer's states. As that library does, blanks
    around a text are left out, which matters to tokenizers that would keep them.

    Args:
        model (`str` or `Path`): Hub id or folder of an encoder, with or without a head.
        output (`str` or `Path`): Folder to write, whole or not at all.
        layer (`int`, *optional*): Layer to pool, two thirds of the depth by default.
        centre (`Iterable[str]`, *optional*): Sentences whose mean vector is subtracted from every vector.
        centred_on (`str`, *optional*): What these sentences are called, in the card and in `export.json`.
        name (`str`, *optional*): What the card calls the model; the folder's name by default.
        license (`str`, *optional*): The Hub's licence identifier.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.
        overwrite (`bool`, *optional*, defaults to `False`): Replace an export of something else.

    Returns:
        `bool`: Whether it was made now; False where the very export stood there.

    Raises:
        ValueError: If there is no such layer, the folder is one of sentence-transformers already, or something else
            stands at `output`.
        DamagedError: If the model cannot be read.
    """
    output = Path(output)
    refuse_modules(model, revision)
    encoder = load_stock_encoder(model, layer, revision=revision, trust_remote_code=trust_remote_code)
    mean = None if centre is None else mean_vector(encoder, centre)
    plan = {
        "identity": {
            "kind": "sentence-transformers",
            "model": str(model),
            "revision": model_revision(model, revision=revision, trust_remote_code=trust_remote_code),
            "layer": encoder.layer,
            "centred_on": centred_on if mean is not None else None,
            "mean_length": None if mean is None else round(float(np.linalg.norm(mean)), 6),
        }
    }

    def build(folder: Path) -> None:
        write_sentence_folder(encoder, folder, mean)
        write_export_card(
            folder,
            name=name or output.resolve().name,
            base_model=model,
            license=license,
            max_length=min(MAX_LENGTH, position_limit(encoder.model, encoder.tokenizer)),
            before=output / "README.md",
            layer=encoder.layer,
            depth=encoder.depth,
            is_cut=encoder.is_cut,
            centred_on=centred_on if mean is not None else "",
        )

    job = export_job(output, "hf-mplm export sentence-transformers")
    return make_folder(job, plan, build, overwrite=overwrite, undigested=["README.md"])


def mean_vector(encoder: StockEncoder, texts: Iterable[str]) -> np.ndarray:
    """The mean of the vectors of sentences, which are read in blocks.

    Args:
        encoder (`StockEncoder`): The encoder.
        texts (`Iterable[str]`): Sentences; blank ones are left out.

    Returns:
        `np.ndarray`: Shape: (hidden size,), float32.

    Raises:
        ValueError: If there is no sentence.
    """
    layer = int(encoder.model.config.num_hidden_layers) if encoder.is_cut else encoder.layer
    runner = TransformerEncoder(encoder.model, encoder.tokenizer, layer=layer, max_length=MAX_LENGTH, name="export")
    total, count = np.zeros(int(encoder.model.config.hidden_size), np.float64), 0
    sentences = (text.strip() for text in texts if text.strip())
    while block := list(islice(sentences, _BATCH)):
        vectors = runner.encode(block)
        total += vectors.sum(axis=0, dtype=np.float64)
        count += len(vectors)
    if not count:
        raise ValueError("there is no sentence to take the mean of: --centre names text without any")
    return (total / count).astype(np.float32)


def export_job(output: Path, command: str) -> Job:
    """The job that writes an export.

    Args:
        output (`Path`): The folder.
        command (`str`): Who writes it.
    """
    return Job(
        output,
        output.with_name(output.name + ".exporting"),
        command=command,
        product="export",
        mark=EXPORT_FILE,
        foreign="is no export, so that it is not replaced",
        inputs="model and settings",
    )


def refuse_modules(model: str | Path, revision: str | None) -> None:
    """Refuse what sentence-transformers loads already.

    Args:
        model (`str` or `Path`): Hub id or folder.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.

    Raises:
        ValueError: If it has modules.
    """
    if find_file(model, MODULES_FILE, revision) is not None:
        raise ValueError(
            f"{model} has modules of sentence-transformers already ({MODULES_FILE}): SentenceTransformer loads it. "
            "Give the encoder that it was made of"
        )
