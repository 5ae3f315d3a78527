"""Word vectors as folders that sentence-transformers and model2vec load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_mplm.jobs.digests import write_digests
from hf_mplm.jobs.files import atomic_write, write_json

from .quantizing import quantize
from .word_table import WordTable
from .word_tokenizer import make_word_tokenizer, unreachable_words


__all__ = ["EXPORT_FORMATS", "Exported", "export_table"]

EXPORT_FORMATS = ("sentence-transformers", "model2vec")
# The name that both old and new versions of sentence-transformers find.
_MODULE = "sentence_transformers.models.StaticEmbedding"


class Exported(NamedTuple):
    """What was written.

    Args:
        folder (`Path`): where.
        bytes (`int`): of the vectors.
        unreachable (`list[str]`): words that the tokenizer finds in no sentence.
    """

    folder: Path
    bytes: int
    unreachable: list[str]


def export_table(table: WordTable, folder: Path, form: str, *, int8: bool = False) -> Exported:
    """Write the words of one language as a folder that `SentenceTransformer` or model2vec's `StaticModel` loads.

    A word's vector is the same as here. So is a sentence's, up to one thing: sentence-transformers counts words that
    are not known in the mean, as zeros, which changes its length and not its direction.

    Args:
        table (`WordTable`): the words.
        folder (`Path`): where; it is made where it is missing.
        form (`str`): `"sentence-transformers"` or `"model2vec"`.
        int8 (`bool`, *optional*, defaults to `False`): whether to write a byte a number and one scale a word, of
            which model2vec alone makes sense.

    Returns:
        [`Exported`]: what was written.

    Raises:
        ValueError: if the format is not known, or cannot hold bytes.
    """
    if form not in EXPORT_FORMATS:
        raise ValueError(f"there is no format {form!r} of a folder; choose of {', '.join(EXPORT_FORMATS)}")
    if int8 and form != "model2vec":
        raise ValueError(f"{form} averages no bytes; --int8 goes with --format model2vec")
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_word_tokenizer(table)
    # A row of zeros for words that are not known.
    rows = np.concatenate([np.zeros((1, table.vectors.shape[1]), np.float32), table.vectors.astype(np.float32)])
    tensors: dict[str, np.ndarray] = {"embedding.weight" if form == "sentence-transformers" else "embeddings": rows}
    if int8:
        numbers, scales = quantize(rows)
        # model2vec multiplies a row by its weight before it takes the mean.
        tensors = {"embeddings": numbers, "weights": scales}
    files = {
        "model.safetensors": save(tensors),
        "tokenizer.json": tokenizer.to_str().encode("utf-8"),
        "modules.json": _json([{"idx": 0, "name": "0", "path": "", "type": _MODULE}]),
    }
    for name, content in files.items():
        with atomic_write(folder / name) as handle:
            handle.write(content)
    described: dict[str, Any] = {"similarity_fn_name": "cosine", "prompts": {}, "default_prompt_name": None}
    name = "config_sentence_transformers.json"
    if form == "model2vec":
        dtype = "int8" if int8 else "float32"
        described = {"model_type": "model2vec", "architectures": ["StaticModel"], "embedding_dtype": dtype}
        # No sentence is cut, as none is here.
        described |= {"hidden_dim": rows.shape[1], "normalize": False, "max_length": None}
        name = "config.json"
    write_json(folder / name, described)
    write_digests(folder, [*files, name])
    return Exported(folder, sum(tensor.nbytes for tensor in tensors.values()), unreachable_words(table, tokenizer))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8")
