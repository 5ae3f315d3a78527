"""A Trainer whose checkpoints are whole or absent, and which resumes exactly from its own output folder."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer, TrainerState
from transformers.trainer_utils import TrainOutput

from hf_mplm._compat import load_tensors_to_indexed_cpu
from hf_mplm.data.tokenizing.tokenizers import save_tokenizer
from hf_mplm.jobs.files import DamagedError, read_json
from hf_mplm.modeling.delta import restore_delta, save_delta
from hf_mplm.modeling.remote_code import follow_umask

from .checkpoints import (
    UNFINISHED_PREFIX,
    find_last_checkpoint,
    list_checkpoints,
    publish_checkpoint,
    read_manifest,
    remove_unfinished,
    rotate_checkpoints,
    what_is_missing,
    write_manifest,
)
from .finished import STAGING, publish_model, stage_model
from .peers import telling_of_lost_processes
from .processes import decided_by_first, hold_output
from .run_record import changed_settings, origin_differences, read_run, write_run
from .stopping import StopCallback, TrainingStopped


__all__ = ["ResumableTrainer", "explain_other_origin", "reading"]

logger = logging.getLogger(__name__)

ARGUMENTS_NAME = "training_args.json"
STATE_NAME = "trainer_state.json"
# What reading a file raises that is not what its name says. Its digest was right, so that nothing of ours wrote it.
_UNREADABLE = (
    *(AttributeError, EOFError, KeyError, IndexError, RuntimeError, TypeError, ValueError),
    *(SafetensorError, pickle.UnpicklingError),
)


class ResumableTrainer(Trainer):
    """What [`~hf_mplm.trainers.MplmTrainer`] needs of saving and resuming.

    A checkpoint is written into a folder of its own (`_unfinished-checkpoint-N`), synced to disk, and renamed once
    every rank has written its part. Random states and optimizer states are read with `weights_only=True`, by Trainer,
    and only from the run's own output folder, which no other run may write to meanwhile.

    Attributes:
        origin (`dict`, *optional*): what the run begins with (`store`, `model`, ...), written to `run.json`; a resume
            from a checkpoint that began with something else is refused.
        delta_base (`str`, *optional*): where the model is [`~hf_mplm.modeling.delta.add_delta`]'s, of which low-rank
            weights alone are saved: the Hub id of its base, or the base's folder.
    """

    args: Any
    model: Any
    origin: dict[str, Any] | None = None
    delta_base: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._staging: Path | None = None
        self._start_draw, self._start_step = 0, 0
        self._record: dict[str, Any] = {}
        super().__init__(*args, **kwargs)
        self._stop = StopCallback(self.args.device)
        self.add_callback(self._stop)

    @property
    def draws_per_step(self) -> int:
        """Rows of one optimizer step, over micro-batches and ranks."""
        return self._train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size

    @property
    def draws_done(self) -> int:
        """Rows drawn so far by all ranks, those before a resume included."""
        return self._start_draw + (self.state.global_step - self._start_step) * self.draws_per_step

    # Overridden to find out at which draw to start, and that the checkpoint is whole and the run's own.
    def train(
        self,
        resume_from_checkpoint: str | Path | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """Train, from the start or from a whole checkpoint in `args.output_dir`.

        Args:
            resume_from_checkpoint (`str`, `Path` or `bool`, *optional*): a checkpoint of this output folder, or `True`
                for the last whole one.
            trial (`optuna.Trial`, *optional*): as for Trainer.
            ignore_keys_for_eval (`list[str]`, *optional*): as for Trainer.

        Returns:
            `transformers.trainer_utils.TrainOutput`: steps, loss and metrics.

        Raises:
            ValueError: when there is nothing whole to resume from, it lies outside the output folder, or it began with
                another store or model.
            FolderInUseError: when another run writes to the output folder.
            DamagedError: when a file of the checkpoint cannot be read.
            LostProcessError: in the first of the processes that are left, when another has died.
            NonFiniteLossError: when the loss or its gradient is not finite.
            TrainingStopped: (a `SystemExit`) when SIGTERM or SIGUSR1 was received; the step's checkpoint is whole.
        """
        output_dir = self.args.output_dir
        again = f"train again with resume_from_checkpoint=find_last_checkpoint({output_dir!r})"
        with telling_of_lost_processes(output_dir, again), hold_output(output_dir, "training"):
            found = decided_by_first(lambda: _text(self._checkpoint_to_resume(resume_from_checkpoint)))
            checkpoint = None if found is None else Path(found)
            self._start_draw, self._start_step = 0, 0
            if checkpoint is not None:
                manifest = read_manifest(checkpoint)
                self._start_draw, self._start_step = manifest["draws"], manifest["step"]
                load_tensors_to_indexed_cpu()
            self._record = self._begin_record(checkpoint)
            if self.args.should_save:
                Path(self.args.output_dir).mkdir(parents=True, exist_ok=True)
                write_run(self.args.output_dir, self._record)
            # The sampler starts where the run stopped, so Trainer has no batches to skip.
            self.args.ignore_data_skip = True
            with self._stop.listening():
                return super().train(
                    resume_from_checkpoint=None if checkpoint is None else str(checkpoint),
                    trial=trial,
                    ignore_keys_for_eval=ignore_keys_for_eval,
                )

    def _begin_record(self, checkpoint: Path | None) -> dict[str, Any]:
        """What `run.json` says: what the run began with, and what changed on the way; changes are told."""
        record = {"origin": self.origin, "processes": self.args.world_size, "changes": []}
        before = None if checkpoint is None else read_run(checkpoint)
        if checkpoint is None or before is None:
            return record
        if different := origin_differences(before["origin"], self.origin):
            raise ValueError(explain_other_origin(checkpoint, different))
        then = _read_object(checkpoint / ARGUMENTS_NAME)
        changed = changed_settings(then, json.loads(self.args.to_json_string()))
        if changed:
            told = "; ".join(f"{name} {old} then, {new} now" for name, (old, new) in changed.items())
            logger.warning(
                "%s was trained with other settings: %s. What is trained from here on has the new ones, and the card "
                "tells both; give another --output to start anew",
                checkpoint,
                told,
            )
        if before["processes"] != self.args.world_size:
            changed["processes"] = [before["processes"], self.args.world_size]
        # Twice from one checkpoint: what was changed there the first time is not what happened.
        kept = [change for change in before["changes"] if change["step"] < self._start_step]
        changes = [*kept, {"step": self._start_step, "settings": changed}] if changed else kept
        return {**record, "origin": {**(before["origin"] or {}), **(self.origin or {})} or None, "changes": changes}

    def last_checkpoint(self) -> Path | None:
        """The last whole checkpoint of the output folder, or `None`; what is not whole is reported and passed over."""
        return find_last_checkpoint(self.args.output_dir)

    def _checkpoint_to_resume(self, resume: str | Path | bool | None) -> Path | None:
        output_dir = Path(self.args.output_dir)
        if not resume:
            if list_checkpoints(output_dir):
                logger.warning(
                    "%s holds checkpoints of another run, which a resume would take for this one's; delete them, or "
                    "give another output_dir",
                    output_dir,
                )
            return None
        if resume is True:
            last = find_last_checkpoint(output_dir)
            if last is None:
                raise ValueError(
                    f"there is no whole checkpoint in {output_dir} to resume from; train without resuming"
                )
            return last
        checkpoint = Path(resume)
        if checkpoint.resolve().parent != output_dir.resolve():
            raise ValueError(
                f"{checkpoint} is not in {output_dir}: a run resumes from its own output folder only. To go on from "
                f"another run's weights load them as the model: --model {checkpoint}"
            )
        problem = what_is_missing(checkpoint)
        if problem is not None:
            raise ValueError(
                f"{checkpoint} is not a whole checkpoint: {problem}. The last whole one is "
                f"{find_last_checkpoint(output_dir)}; resume_from_checkpoint=True takes it"
            )
        return checkpoint

    # Overridden so that a file that cannot be read is named, whatever its reader raises.
    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with reading(resume_from_checkpoint, "the weights"):
            if self.delta_base is not None:
                restore_delta(self.model, resume_from_checkpoint)
            else:
                super()._load_from_checkpoint(resume_from_checkpoint, model)
        with reading(resume_from_checkpoint, STATE_NAME):
            state = TrainerState(**_read_object(Path(resume_from_checkpoint) / STATE_NAME))
            if state.global_step != self._start_step:
                raise ValueError(f"it is of step {state.global_step} and not of {self._start_step}")

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with reading(checkpoint, "optimizer.pt or scheduler.pt"):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_scaler(self, checkpoint: str | None) -> None:
        with reading(checkpoint, "scaler.pt"):
            super()._load_scaler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with reading(checkpoint, "rng_state.pth"):
            super()._load_rng_state(checkpoint)

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        # A weight that is tied to the embeddings is saved with them, once, and came back with them.
        if getattr(self.model.config, "tie_word_embeddings", False):
            tied = set(getattr(self.model, "_tied_weights_keys", None) or ())
            load_result.missing_keys[:] = [key for key in load_result.missing_keys if key not in tied]
        super()._issue_warnings_after_load(load_result)

    # Overridden so that Trainer writes a checkpoint into a folder of its own, beside the finished ones.
    def _get_output_dir(self, trial: Any) -> str:
        return super()._get_output_dir(trial) if self._staging is None else str(self._staging)

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        output_dir = Path(self._get_output_dir(trial))
        name = f"checkpoint-{self.state.global_step}"
        staging = output_dir / f"{UNFINISHED_PREFIX}{name}"
        if self.args.should_save and staging.exists():
            shutil.rmtree(staging)
        self.accelerator.wait_for_everyone()
        self._staging = staging
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise OSError(
                f"the checkpoint of step {self.state.global_step} could not be written to {output_dir}: {error}. The "
                f"last whole one is {find_last_checkpoint(output_dir)}; make room and resume: --resume auto"
            ) from error
        finally:
            self._staging = None
        self.accelerator.wait_for_everyone()
        # Trainer has just recorded the best checkpoint by the name that it was written under.
        if self.state.best_model_checkpoint == str(staging / name):
            self.state.best_model_checkpoint = str(output_dir / name)
        # Only now have all ranks written their random states.
        if self.args.should_save:
            self._finish_checkpoint(staging / name, output_dir / name)
        self.accelerator.wait_for_everyone()
        if self._stop.agreed:
            # From here, because Trainer's closing work may take long, and may delete the last checkpoint.
            self.is_in_train = False
            self.control = self.callback_handler.on_train_end(self.args, self.state, self.control)
            raise TrainingStopped(self._stop.agreed, self.state.global_step, output_dir / name)

    def _finish_checkpoint(self, written: Path, final: Path) -> None:
        self.state.save_to_json(str(written / STATE_NAME))
        write_run(written, self._record)
        write_manifest(
            written,
            step=self.state.global_step,
            draws=self.draws_done,
            world_size=self.args.world_size,
            resumable=not self.args.save_only_model,
        )
        publish_checkpoint(written, final)
        remove_unfinished(final.parent)
        best = self.state.best_model_checkpoint
        rotate_checkpoints(final.parent, self.args.save_total_limit, keep=[best] if best else [])

    # Overridden so that a model that is saved over another stands there whole, with digests, or does not load.
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write model and tokenizer into a folder, `args.output_dir` by default; every process must call it."""
        if _internal_call:
            super().save_model(output_dir, _internal_call)
            return
        with self._whole_model(Path(output_dir if output_dir is not None else self.args.output_dir)):
            pass

    def save_finished(self, **card: Any) -> None:
        """Write model, tokenizer, state and card into the output folder, all of it or nothing that loads.

        Every process must call it.

        Args:
            **card: as for `create_model_card`.
        """
        output = Path(self.args.output_dir)
        with self._whole_model(output) as staging:
            if self.args.should_save:
                write_run(staging, self._record or self._begin_record(None))
                self.state.save_to_json(str(staging / STATE_NAME))
                self.write_card(staging, **{"model_name": output.resolve().name, **card})

    def write_card(self, folder: Path, **card: Any) -> None:
        """Write a card for the model in `folder`; nothing here, trainers of methods have one."""

    @contextmanager
    def _whole_model(self, folder: Path) -> Iterator[Path]:
        if self.args.should_save:
            stage_model(folder)
        self.accelerator.wait_for_everyone()
        staging = folder / STAGING
        super().save_model(str(staging), _internal_call=True)
        yield staging
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            publish_model(staging, folder)
        self.accelerator.wait_for_everyone()

    # Overridden because Trainer pickles its arguments into every folder, where nothing of ours pickles, and because
    # transformers 5 leaves an XLM-R tokenizer's SentencePiece model behind.
    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir if output_dir is not None else self.args.output_dir)
        if self.delta_base is None:
            super()._save(output_dir, state_dict)
        elif self.args.should_save:
            # The base has the tokenizer.
            save_delta(self.model, folder, self._base_from_output())
        if self.args.should_save:
            if self.processing_class is not None and self.delta_base is None:
                save_tokenizer(self.processing_class, folder)  # type: ignore[arg-type]
            follow_umask(folder)
            (folder / "training_args.bin").unlink(missing_ok=True)
            (folder / ARGUMENTS_NAME).write_text(self.args.to_json_string() + "\n", encoding="utf-8")

    def _base_from_output(self) -> str:
        """Where the base lies, seen from the output: a folder that moves takes its neighbours along."""
        base = str(self.delta_base)
        return os.path.relpath(base, self.args.output_dir) if Path(base).is_dir() else base


def explain_other_origin(folder: Path, different: list[str]) -> str:
    """Why a run is not gone on with, and what to type."""
    lines = "\n".join(f"  - {line}" for line in different)
    return (
        f"{folder} began with something else:\n{lines}\nA run goes on with what it began with. Repeat the command "
        "that began it, or give another --output ANOTHER_FOLDER to start anew"
    )


@contextmanager
def reading(checkpoint: str | Path | None, what: str) -> Iterator[None]:
    """Turn whatever a reader of other people's files raises into one line that names the file.

    Args:
        checkpoint (`str` or `Path`, *optional*): the folder that is read.
        what (`str`): the file in it, or what is read in words.

    Raises:
        DamagedError: in place of the reader's own error.
    """
    try:
        yield
    except (DamagedError, torch.cuda.OutOfMemoryError):
        raise
    except _UNREADABLE as error:
        name = Path(str(checkpoint)) / what if " " not in what else f"{checkpoint} ({what})"
        reason = " ".join(str(error).split())[:300] or "it ends too early"
        raise DamagedError(
            name,
            f"it cannot be read ({type(error).__name__}: {reason})",
            "Delete this checkpoint, and the same command goes on from the one before.",
        ) from error


def _read_object(path: Path) -> dict[str, Any]:
    value = read_json(path, "Go on from another checkpoint.")
    if not isinstance(value, dict):
        raise DamagedError(path, "it is missing or no object", "Go on from another checkpoint.")
    return value


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
