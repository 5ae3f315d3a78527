"""`hf-mplm quickstart`: the main job from text to report, on the sample that ships with the package."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from .parser import MplmArgumentParser
from .quickstart_arguments import QuickstartArguments


logger = logging.getLogger(__name__)


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
    if "eng_Latn" not in args.languages:
        raise ValueError("--languages needs eng_Latn, from which retrieval and topic classification start")
    if args.minutes <= 0 and args.max_steps <= 0:
        raise ValueError(f"--minutes is {args.minutes}; it takes a positive number, or give --max_steps")
    from hf_mplm.report import plots

    from .quickstart_job import QuickstartJob

    if why := plots.missing():
        # Now, while it can be helped, rather than after the training.
        logger.warning("report.html will have the tables and no pictures: %s", why)
    QuickstartJob(args, started).run()
    return 0
