"""The folders of a quickstart, each of which is whole or absent and is told by what it was made from."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .quickstart_arguments import QuickstartArguments


__all__ = ["CARD", "has_accelerator", "make_part", "missing_romanizer"]

CARD = "README.md"


def make_part(
    args: QuickstartArguments,
    place: str,
    identity: dict[str, Any],
    build: Callable[[Path], None],
    *,
    goes_on: bool = False,
) -> Path:
    """Make one folder of a quickstart, unless the very one stands there.

    Args:
        args (`QuickstartArguments`): what the quickstart was told.
        place (`str`): the folder below its own, such as `"baseline"`.
        identity (`dict`): what the folder is made from.
        build (`Callable[[Path], None]`): fills an empty folder.
        goes_on (`bool`, *optional*, defaults to `False`): whether `build` goes on where it was interrupted.

    Returns:
        `Path`: the folder.
    """
    from hf_mplm.jobs.job import Job, make_folder

    output = Path(args.output) / place
    job = Job(
        output,
        output.with_name(f"{output.name}.making"),
        command="hf-mplm quickstart",
        product=f"`{place}` of a quickstart",
        mark="made_of.json",
        foreign="is nothing that a quickstart made, so it is not replaced",
        inputs="settings",
    )
    plan = {"identity": identity}
    make_folder(job, plan, build, overwrite=args.overwrite, goes_on=goes_on, undigested=(CARD,))
    return output


def has_accelerator() -> bool:
    """Whether torch finds one."""
    import torch

    return torch.cuda.is_available()


def missing_romanizer() -> str:
    """What to type where `uroman` is not installed, without which no script is aligned; empty where it is."""
    if importlib.util.find_spec("uroman") is not None:
        return ""
    return 'it needs the package uroman: pip install "hf-mplm[romanize]"'
