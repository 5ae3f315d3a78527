"""`hf-mplm quickstart`: the main job from text to report, on the sample that ships with the package."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hf_mplm._imports import require

from .parser import MplmArgumentParser
from .quickstart_arguments import QuickstartArguments


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm quickstart`."""
    return MplmArgumentParser(
        QuickstartArguments,
        prog="hf-mplm quickstart",
        description="Train a baseline and a LangSAMP model on real text in many languages, measure both and write a "
        "report. The same command goes on where it was interrupted.",
    )


def run(argv: Sequence[str]) -> int:
    """Do the whole job; see [`QuickstartArguments`]."""
    started = time.monotonic()
    arguments = list(argv)
    if not any(flag == "--config" or flag.startswith("--config=") for flag in arguments):
        arguments = ["--config", "quickstart", *arguments]
    (args,) = make_parser().parse(arguments)
    require("matplotlib", extra="report")  # now, rather than after the training
    if "eng_Latn" not in args.languages:
        raise ValueError("--languages needs eng_Latn, from which retrieval and topic classification start")
    if args.minutes <= 0 and args.max_steps <= 0:
        raise ValueError(f"--minutes is {args.minutes}; it takes a positive number, or give --max_steps")
    from .quickstart_job import QuickstartJob

    QuickstartJob(args, started).run()
    return 0
