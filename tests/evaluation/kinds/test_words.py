from __future__ import annotations

import numpy as np
import torch

from hf_mplm.evaluation.kinds.words import gather_words, pad_words


def test_padding_goes_to_the_longest_row_of_the_batch(tiny_tokenizer):
    rows = [
        {"input_ids": np.array([0, 5, 6, 2]), "positions": np.array([1, 2]), "labels": np.array([3, 4])},
        {"input_ids": np.array([0, 7, 2]), "positions": np.array([1]), "labels": np.array([5])},
    ]
    batch = pad_words(rows, tiny_tokenizer, ["labels"])
    pad = tiny_tokenizer.pad_token_id
    assert batch["input_ids"].tolist() == [[0, 5, 6, 2], [0, 7, 2, pad]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["positions"].tolist() == [[1, 2], [1, -1]]
    assert batch["labels"].tolist() == [[3, 4], [5, -100]]
    states = torch.arange(8.0).reshape(2, 4, 1)
    assert gather_words(states, batch["positions"])[..., 0].tolist() == [[1, 2], [5, 4]]
