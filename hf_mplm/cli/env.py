"""`hf-mplm env`: what a bug report needs to say."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence

from hf_mplm._version import __version__

from .parser import MplmArgumentParser


PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "sentencepiece",
    "datasets",
    "accelerate",
    "peft",
    "adapters",
    "huggingface_hub",
    "numpy",
    "scipy",
    "scikit-learn",
    "pyarrow",
    "uroman",
)


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm env`, which takes no flags."""
    return MplmArgumentParser((), prog="hf-mplm env", description="Print the versions to put into a bug report.")


def run(argv: Sequence[str]) -> int:
    """Print versions and hardware, one a line."""
    make_parser().parse(argv)
    import torch

    lines = {"hf-mplm": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            lines[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            lines[package] = "not installed"
    lines["cpu"] = f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads"
    lines["accelerator"] = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines.items()))
    return 0
