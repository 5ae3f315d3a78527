"""A Trainer whose checkpoints are whole or absent, and which resumes exactly from its own output folder."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer
from transformers.trainer_utils import TrainOutput

from hf_mplm._compat import load_tensors_to_indexed_cpu
from hf_mplm.data.tokenizing.tokenizers import save_tokenizer

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


__all__ = ["ResumableTrainer"]

logger = logging.getLogger(__name__)

ARGUMENTS_NAME = "training_args.json"


class ResumableTrainer(Trainer):
    """What [`~hf_mplm.trainers.MplmTrainer`] needs of saving and resuming.

    A checkpoint is written into a folder of its own (`_unfinished-checkpoint-N`), synced to disk, and renamed once
    every rank has written its part. Random states and optimizer states are read with `weights_only=True`, by Trainer,
    and only from the run's own output folder.
    """

    args: Any
    model: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._staging: Path | None = None
        self._start_draw, self._start_step = 0, 0
        super().__init__(*args, **kwargs)

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
            ValueError: when there is nothing whole to resume from, or it lies outside the output folder.
            NonFiniteLossError: when the loss or its gradient is not finite.
        """
        checkpoint = self._checkpoint_to_resume(resume_from_checkpoint)
        self._start_draw, self._start_step = 0, 0
        if checkpoint is not None:
            manifest = read_manifest(checkpoint)
            self._start_draw, self._start_step = manifest["draws"], manifest["step"]
            load_tensors_to_indexed_cpu()
        # The sampler starts where the run stopped, so Trainer has no batches to skip.
        self.args.ignore_data_skip = True
        return super().train(
            resume_from_checkpoint=None if checkpoint is None else str(checkpoint),
            trial=trial,
            ignore_keys_for_eval=ignore_keys_for_eval,
        )

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

    def _finish_checkpoint(self, written: Path, final: Path) -> None:
        self.state.save_to_json(str(written / "trainer_state.json"))
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

    # Overridden because Trainer pickles its arguments into every folder, where nothing of ours pickles, and because
    # transformers 5 leaves an XLM-R tokenizer's SentencePiece model behind.
    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        folder = Path(output_dir if output_dir is not None else self.args.output_dir)
        if self.args.should_save:
            if self.processing_class is not None:
                save_tokenizer(self.processing_class, folder)  # type: ignore[arg-type]
            (folder / "training_args.bin").unlink(missing_ok=True)
            (folder / ARGUMENTS_NAME).write_text(self.args.to_json_string() + "\n", encoding="utf-8")
