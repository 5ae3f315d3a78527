"""What the commands that train have in common: going on from a checkpoint, and what is written at the end."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from hf_mplm.trainers.base.trainer import MplmTrainer

__all__ = ["find_checkpoint", "quiet_other_processes", "train_and_save"]

logger = logging.getLogger(__name__)

# Settings that need not be the same when a run goes on.
_FREE: tuple[str, ...] = (
    *("dataloader_", "disable_tqdm", "eval_", "hub_", "ignore_data_skip", "log", "max_steps", "num_train_epochs"),
    *("output_dir", "push_", "report_to", "resume_from", "run_name", "save_", "use_cpu"),
)


def quiet_other_processes() -> None:
    """Have all processes of a launcher but the first log errors only."""
    import transformers

    if int(os.environ.get("RANK", "0")) != 0:
        logging.getLogger().setLevel(logging.ERROR)
        transformers.utils.logging.set_verbosity_error()


def find_checkpoint(output_dir: str, resume: str) -> Path | None:
    """Find the checkpoint to go on from.

    Args:
        output_dir (`str`): The folder of the run.
        resume (`str`): `"auto"` or `"never"`.

    Returns:
        `Path` or `None`: The last whole checkpoint.

    Raises:
        ValueError: If none is to be used and the folder holds some.
    """
    from hf_mplm.trainers.base.checkpoints import find_last_checkpoint, list_checkpoints

    output = Path(output_dir)
    if resume == "never" and list_checkpoints(output):
        raise ValueError(
            f"{output} holds checkpoints of another run, which a later --resume auto would take for this one's: "
            "give another --output, or delete them"
        )
    checkpoint = find_last_checkpoint(output)
    if checkpoint is not None:
        logger.info("Going on from %s. (--resume never, with another --output, starts anew.)", checkpoint)
    return checkpoint


def train_and_save(trainer: MplmTrainer, checkpoint: Path | None, finetuned_from: str | None, done: str) -> None:
    """Train, write model, tokenizer, card and state into the folder of the run, and say so.

    Args:
        trainer (`MplmTrainer`): The trainer; the held-out loss is measured where it has held-out text.
        checkpoint (`Path` or `None`): Where to go on from.
        finetuned_from (`str` or `None`): The model that the card names as the start.
        done (`str`): What was done, as the user reads it: "Trained".
    """
    if checkpoint is not None:
        _tell_changes(checkpoint, trainer)
    trainer.train(resume_from_checkpoint=checkpoint)
    held_out = trainer.evaluate()["eval_loss"] if trainer.eval_dataset is not None else None
    trainer.save_model()
    trainer.save_state()
    trainer.create_model_card(finetuned_from=finetuned_from)
    if trainer.is_world_process_zero():
        loss = "" if held_out is None else f" Held-out loss {held_out:.4f}."
        steps, output = trainer.state.global_step, trainer.args.output_dir
        print(f"{done} {steps:,} steps.{loss} Model, tokenizer and card are in {output}")
    trainer.accelerator.end_training()


def _tell_changes(checkpoint: Path, trainer: MplmTrainer) -> None:
    """Warn of settings that differ from those that the checkpoint was trained with."""
    path = checkpoint / "training_args.json"
    if not path.is_file():
        return
    then = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(trainer.args.to_json_string())
    changed = [
        f"{name} {then[name]} then, {value} now"
        for name, value in now.items()
        if name in then and then[name] != value and not name.startswith(_FREE)
    ]
    if changed:
        logger.warning(
            "%s was trained with other settings: %s. What is trained from here on has the new ones, and the card "
            "tells these alone; give another --output to start anew",
            checkpoint,
            "; ".join(changed),
        )
