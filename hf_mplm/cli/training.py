"""What the commands that train have in common: one run a folder, going on, and what is written at the end."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .parser import config_of


if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from hf_mplm.trainers.base.trainer import MplmTrainer

__all__ = [
    "GoingOnArguments",
    "StartingArguments",
    "check_delta",
    "check_folders",
    "check_origin",
    "find_checkpoint",
    "hold",
    "load_checkpoint",
    "quiet_other_processes",
    "train_and_save",
]

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class GoingOnArguments:
    """Flags of every verb that trains beside those of its trainer."""

    resume: Literal["auto", "never"] = field(
        default="auto",
        metadata={
            "help": "auto goes on from the last whole checkpoint in --output; never refuses a folder with some."
        },
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with the model."})


@dataclass(kw_only=True)
class StartingArguments(GoingOnArguments):
    """Flags of every verb whose training starts from a model."""

    new_lm_head: bool = field(
        default=False,
        metadata={
            "help": "Make the LM head of an encoder that was saved without one (E5, LaBSE, MiniLM), at the identity, "
            "with a bias by the text; --head_warmup_steps 200 trains it alone first."
        },
    )


def quiet_other_processes() -> None:
    """Have all processes of a launcher but the first log errors only."""
    import transformers

    if int(os.environ.get("RANK", "0")) != 0:
        logging.getLogger().setLevel(logging.ERROR)
        transformers.utils.logging.set_verbosity_error()


@contextmanager
def hold(output_dir: str, verb: str) -> Iterator[None]:
    """Keep every other run from the output for as long as this one lasts, and tell of a process of it that dies.

    Args:
        output_dir (`str`): The folder of the run.
        verb (`str`): Such as `"pretrain"`.

    Raises:
        FolderInUseError: In every process of a launcher, where another run holds it.
        LostProcessError: In the first of the processes that are left, where another has died.
    """
    from hf_mplm.trainers.base.peers import telling_of_lost_processes
    from hf_mplm.trainers.base.processes import hold_output

    with telling_of_lost_processes(output_dir), hold_output(output_dir, f"hf-mplm {verb}"):
        yield


def check_delta(method: str) -> None:
    """Refuse low-rank weights where they would not learn what the method needs.

    Args:
        method (`str`): Of pretraining.

    Raises:
        ValueError: With the reason.
    """
    if method == "langsamp":
        raise ValueError(
            "--delta trains attention and feed-forward alone, and the tables of LangSAMP begin at random: without "
            "being trained they would add noise. Give --method mlm, or leave --delta out"
        )


def check_folders(output_dir: str, **inputs: str | None) -> None:
    """Refuse an output that is one of the inputs, which would be overwritten, and a start that is no whole model.

    Args:
        output_dir (`str`): The folder of the run.
        **inputs (`str`, *optional*): Flag to folder, or to an id on the Hub.
    """
    from hf_mplm.modeling.delta import is_delta

    for flag, given in inputs.items():
        if given is not None and is_delta(given):
            raise ValueError(
                f"{given} holds low-rank weights, and a run starts from whole ones. Merge them: python -c "
                f'"from transformers import AutoModelForMaskedLM; from hf_mplm.evaluation import load_model; '
                f"load_model('{given}', AutoModelForMaskedLM).save_pretrained('merged')\", and put the tokenizer of "
                "their base beside"
            )
        if given is not None and Path(given).exists() and Path(given).resolve() == Path(output_dir).resolve():
            raise ValueError(
                f"--output and --{flag} are both {given}, which would be overwritten; give another --output"
            )


def find_checkpoint(output_dir: str, resume: str) -> Path | None:
    """Find the checkpoint to go on from; every process of a launcher is given the same one.

    Args:
        output_dir (`str`): The folder of the run.
        resume (`str`): `"auto"` or `"never"`.

    Returns:
        `Path` or `None`: The last whole checkpoint.

    Raises:
        ValueError: If none is to be used and the folder holds some.
    """
    from hf_mplm.trainers.base.checkpoints import find_last_checkpoint, list_checkpoints
    from hf_mplm.trainers.base.processes import decided_by_first

    output = Path(output_dir)

    def look() -> str | None:
        if resume == "never" and list_checkpoints(output):
            raise ValueError(
                f"{output} holds checkpoints of another run, which a later --resume auto would take for this one's: "
                "give another --output, or delete them"
            )
        checkpoint = find_last_checkpoint(output)
        if checkpoint is not None:
            logger.info("Going on from %s. (--resume never, with another --output, starts anew.)", checkpoint)
        elif list_checkpoints(output):
            logger.warning("no checkpoint in %s is whole: training starts from the beginning", output)
        return None if checkpoint is None else str(checkpoint)

    found = decided_by_first(look)
    return None if found is None else Path(found)


def check_origin(output_dir: str, checkpoint: Path | None, origin: dict[str, Any]) -> None:
    """Refuse to go on with another model, store or method than the run began with.

    Args:
        output_dir (`str`): The folder of the run.
        checkpoint (`Path`, *optional*): What is gone on from.
        origin (`dict`): What is given now; what it leaves out is not compared.

    Raises:
        ValueError: Naming what differs.
    """
    from hf_mplm.trainers.base.checkpoints import list_checkpoints
    from hf_mplm.trainers.base.resumable import explain_other_origin
    from hf_mplm.trainers.base.run_record import origin_differences, read_run

    folder = Path(output_dir) if checkpoint is None else checkpoint
    # A run that left neither a checkpoint nor a model is not gone on with.
    if checkpoint is None and not (list_checkpoints(folder) or (folder / "config.json").is_file()):
        return
    before = read_run(folder)
    if before is not None and (different := origin_differences(before["origin"], origin)):
        raise ValueError(explain_other_origin(folder, different))


def load_checkpoint(checkpoint: Path, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """The model of a checkpoint that is gone on from.

    Args:
        checkpoint (`Path`): The checkpoint.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.

    Raises:
        DamagedError: If it cannot be read.
    """
    from hf_mplm.modeling.stock import load_masked_lm
    from hf_mplm.trainers.base.resumable import reading

    with reading(checkpoint, "model.safetensors or config.json"):
        return load_masked_lm(checkpoint, trust_remote_code=trust_remote_code)


def train_and_save(
    trainer: MplmTrainer, checkpoint: Path | None, finetuned_from: str | None, done: str, argv: Sequence[str] = ()
) -> int:
    """Train, write model, tokenizer, card and state into the folder of the run, and say so.

    Args:
        trainer (`MplmTrainer`): The trainer; the held-out loss is measured where it has held-out text.
        checkpoint (`Path` or `None`): Where to go on from.
        finetuned_from (`str` or `None`): The model that the card names as the start.
        done (`str`): What was done, as the user reads it: "Trained".
        argv (`Sequence[str]`): The command, verb first, which is told where a signal ends the run.

    Returns:
        `int`: The exit status: 0, or 128 + signal where one ended the run after a whole checkpoint.
    """
    from hf_mplm.trainers.base.stopping import TrainingStopped

    config = config_of(argv)
    # A file of one's own is told by its name: where it lies is nobody's business.
    trainer.recipe = None if config is None else Path(config).name
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except TrainingStopped as stopped:
        if trainer.is_world_process_zero():
            command = f"\n  {shlex.join(['hf-mplm', *argv])}" if trainer.args.world_size == 1 and argv else ""
            print(f"{stopped}. The same command goes on from there{':' if command else '.'}{command}", file=sys.stderr)
        return int(stopped.code or 0)
    held_out = trainer.evaluate()["eval_loss"] if trainer.eval_dataset is not None else None
    trainer.save_finished(finetuned_from=finetuned_from)
    if trainer.is_world_process_zero():
        loss = "" if held_out is None else f" Held-out loss {held_out:.4f}."
        steps, output = trainer.state.global_step, trainer.args.output_dir
        print(f"{done} {steps:,} steps.{loss} Model, tokenizer and card are in {output}")
    trainer.accelerator.end_training()
    return 0
