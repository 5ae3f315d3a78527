from __future__ import annotations

import logging

import numpy as np

from hf_mplm.trainers.base.passes import describe_passes
from tests.trainers.helpers import CODES, make_rows, make_trainer


def test_the_recipe_on_a_small_store_is_warned_of():
    text, absurd = describe_passes(["swh_Latn"], np.array([388]), np.array([150_000 * 1024]), 1024)
    assert absurd and "150,000 steps of 1,024 rows read 388 rows 395,876 times on average" in text
    assert "--max_steps 4 reads it 10 times" in text and 4 * 1024 >= 10 * 388 > 3 * 1024


def test_what_is_read_most_often_is_named():
    text, absurd = describe_passes(["swh_Latn", "wol_Latn"], np.array([1000, 10]), np.array([600, 400]), 100)
    assert not absurd
    assert (
        text == "10 steps of 100 rows read 1,010 rows 1.0 times on average, wol_Latn (10 rows) most often, 40.0 times"
    )


def test_a_run_says_it_at_its_start(tiny_tokenizer, tiny_xlm_roberta, tmp_path, caplog):
    rows = make_rows(tiny_tokenizer)
    trainer = make_trainer(tiny_xlm_roberta, tiny_tokenizer, tmp_path, rows=rows, max_steps=2)
    with caplog.at_level(logging.INFO, "hf_mplm"):
        trainer.train()
    (line,) = [record for record in caplog.records if "on average" in record.getMessage()]
    assert line.levelno == logging.INFO
    assert line.getMessage().startswith("2 steps of 4 rows read 60 rows 0.1 times on average")
    assert any(code in line.getMessage() for code in CODES)
