"""What `hf-mplm transfer train-task` and `hf-mplm transfer languages` share: the folder of one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mplm.transfer.modules import ModuleRecord


__all__ = ["make_module"]


def make_module(
    output: Path,
    identity: Mapping[str, Any],
    train: Callable[[Path], None],
    *,
    action: str,
    product: str,
    inputs: str,
    overwrite: bool,
) -> tuple[bool, ModuleRecord]:
    """Train a module with its card into a folder, whole or not at all, unless that very module stands there.

    Args:
        output (`Path`): the folder; its name is the module's.
        identity (`Mapping[str, Any]`): what the module is made from.
        train (`Callable[[Path], None]`): trains it and saves it in the folder that it is given.
        action (`str`): of `hf-mplm transfer`.
        product (`str`): what a module is called.
        inputs (`str`): what it is made from, in words.
        overwrite (`bool`): whether a module that was made from something else is replaced.

    Returns:
        `tuple[bool, ModuleRecord]`: whether it was trained now, and what it says of itself.

    Raises:
        ValueError: if something else stands there.
    """
    from hf_mplm.hub.cards.module import write_module_card
    from hf_mplm.jobs.job import Job, make_folder
    from hf_mplm.transfer.modules import ModuleRecord

    def build(folder: Path) -> None:
        train(folder)
        write_module_card(folder, name=output.name)

    command = f"hf-mplm transfer {action}"
    job = Job(
        output,
        output.with_name(f"{output.name}.training"),
        command=command,
        product=product,
        mark="made_of.json",
        foreign=f"is no {product} of `{command}`, so it is not replaced",
        inputs=inputs,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    made = make_folder(job, {"identity": identity}, build, overwrite=overwrite, undigested=("README.md",))
    return made, ModuleRecord.load(output)
