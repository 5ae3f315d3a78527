"""An exported graph as an encoder, so that whatever measures an encoder measures it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm._imports import require
from hf_mplm.evaluation.encoder import length_sorted_batches
from hf_mplm.evaluation.loading import load_tokenizer

from .onnx_graph import INPUTS, MODEL_FILE, VECTORS


__all__ = ["OnnxEncoder"]

TOKENS_PER_BATCH = 512


class OnnxEncoder:
    """Mean-pooled states of a graph that `hf-mplm export onnx` wrote, by onnxruntime on the CPU.

    Args:
        folder (`str` or `Path`): The export.
        file (`str`, *optional*): The graph within it.
        max_length (`int`, *optional*, defaults to 512): Longest input in tokens.
        tokens_per_batch (`int`, *optional*, defaults to 512): Size of a batch in tokens, padding included.
        num_threads (`int`, *optional*, defaults to 0): Threads of one operation; 0 leaves it to onnxruntime.
    """

    revision = ""
    layer = -1

    def __init__(
        self,
        folder: str | Path,
        file: str = MODEL_FILE,
        *,
        max_length: int = 512,
        tokens_per_batch: int = TOKENS_PER_BATCH,
        num_threads: int = 0,
    ) -> None:
        runtime: Any = require("onnxruntime", "export")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        self.name = f"{folder}/{file}"
        path = Path(folder) / file
        if not path.is_file():
            raise FileNotFoundError(f"there is no {path}; type: hf-mplm export onnx --model MODEL --output {folder}")
        self.session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.pools = VECTORS in {output.name for output in self.session.get_outputs()}
        self.tokenizer = load_tokenizer(folder)
        self.max_length = min(max_length, int(self.tokenizer.model_max_length))
        self.tokens_per_batch = tokens_per_batch

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        """Encode sentences.

        Args:
            texts (`Sequence[str]`): The sentences.
            progress (`bool`, *optional*, defaults to `False`): Not used.
            language (`str`, *optional*): Not used: it encodes all languages alike.

        Returns:
            `np.ndarray`: Shape: (texts, hidden size), float32.

        Raises:
            ValueError: If one string is given instead of a list, or a sentence has no token.
        """
        if isinstance(texts, str):
            raise ValueError("one string was given as texts, whose letters are no sentences; type: encode([text])")
        if not texts:
            return np.empty((0, 0), np.float32)
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        lengths = [len(row) for row in rows]
        if 0 in lengths:
            raise ValueError(f"the tokenizer maps {texts[lengths.index(0)]!r} to no token; leave such sentences out")
        pooled: list[np.ndarray] = [np.empty(0)] * len(rows)
        for batch in length_sorted_batches(lengths, self.tokens_per_batch):
            for place, vector in zip(batch, self._pool([rows[place] for place in batch])):
                pooled[place] = vector
        return np.stack(pooled)

    def _pool(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        ids = np.full((len(rows), max(map(len, rows))), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)], mask[place, : len(row)] = row, 1
        inputs = dict(zip(INPUTS, (ids, mask)))
        if self.pools:
            vectors: np.ndarray = self.session.run([VECTORS], inputs)[0]
            return vectors
        states = self.session.run(None, inputs)[0]
        weights = mask[:, :, None].astype(np.float32)
        means: np.ndarray = (states * weights).sum(axis=1) / weights.sum(axis=1)
        return means
