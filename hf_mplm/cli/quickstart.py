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
        description="Teach an encoder languages that it knows little, as a baseline and with LangSAMP, align the "
        "result across scripts, measure all of it and write a report. The same command goes on where it was "
        "interrupted.",
    )


def run(argv: Sequence[str]) -> int:
    """Do the whole job; see [`QuickstartArguments`]."""
    started = time.monotonic()
    arguments = list(argv)
    if not any(flag == "--config" or flag.startswith("--config=") for flag in arguments):
        from_scratch = any(flag.split("=")[0] == "--from_scratch" for flag in arguments)
        arguments = ["--config", "quickstart-from-scratch" if from_scratch else "quickstart", *arguments]
    (args,) = make_parser().parse(arguments)
    if "eng_Latn" not in args.languages:
        raise ValueError("--languages needs eng_Latn, from which retrieval and topic classification start")
    if args.minutes <= 0 and args.max_steps <= 0:
        raise ValueError(f"--minutes is {args.minutes}; it takes a positive number, or give --max_steps")
    if args.num_new < 1:
        raise ValueError(f"--num_new is {args.num_new}; give 1 or more languages to teach")
    from hf_mplm.report import plots

    from .quickstart_job import QuickstartJob
    from .quickstart_start import check_start

    check_start(args)

    if why := plots.missing():
        # Now, while it can be helped, rather than after the training.
        logger.warning("report.html will have the tables and no pictures: %s", why)
    QuickstartJob(args, started).run()
    return 0
