"""What the commands import, so that each begins with it."""

from __future__ import annotations

import datasets  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch
import transformers  # noqa: F401

import hf_mplm.cli.main
import hf_mplm.cli.prepare
import hf_mplm.evaluation.runner
import hf_mplm.trainers  # noqa: F401


torch.set_num_threads(1)
