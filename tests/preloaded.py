"""What tests' processes import, so that each is forked from one that has it already; see `processes`."""

from __future__ import annotations

import gc

import datasets  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
import transformers.trainer  # noqa: F401

import hf_mplm.cli.align_scripts
import hf_mplm.cli.main
import hf_mplm.cli.prepare
import hf_mplm.cli.pretrain
import hf_mplm.evaluation.runner
import hf_mplm.trainers  # noqa: F401


torch.set_num_threads(1)
# A process that is forked collects its own objects only, and writes to no page of these.
gc.collect()
gc.freeze()
