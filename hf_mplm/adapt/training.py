"""The third stage: continued pretraining that does not forget, and alignment of scripts after it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.jobs.digests import DIGESTS_FILE
from hf_mplm.jobs.lock import LOCK_FILES
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.trainers.masked_lm.starting import load_for_method
from hf_mplm.trainers.masked_lm.teacher import Teacher
from hf_mplm.trainers.masked_lm.trainer import MaskedLMTrainer, MaskedLMTrainingArguments
from hf_mplm.trainers.script_alignment.arguments import ScriptAlignmentArguments
from hf_mplm.trainers.script_alignment.trainer import ScriptAlignmentTrainer

from .keeping import distils, keeping_line
from .settings import AdaptSettings


__all__ = ["align_model", "shared_tokens", "train_model"]

logger = logging.getLogger(__name__)


def train_model(
    settings: AdaptSettings,
    start: str | Path,
    store: TokenStore,
    replayed: list[str],
    steps: int,
    num_old_tokens: int,
    folder: Path,
) -> None:
    """Continue the pretraining, from the last checkpoint where it was interrupted, and write the model and its card.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        start (`str` or `Path`): the encoder, its vocabulary grown where it is to grow.
        store ([`~hf_mplm.TokenStore`]): the text, new and replayed.
        replayed (`list[str]`): the codes of the store that are replayed.
        steps (`int`): most steps.
        num_old_tokens (`int`): ids below it are those that the start knows.
        folder (`Path`): an empty folder; checkpoints stand beside it in `run`.
    """
    every = max(1, steps // settings.evaluations)
    taught = distils(settings)
    arguments = MaskedLMTrainingArguments(
        **_common(settings, folder.parent / "run", steps, every),
        mask_rate=str(settings.mask_rate),
        replay_languages=replayed or None,
        replay_share=settings.replay_share,
        distill_weight=settings.distill_weight if taught else 0.0,
        stop_gain=settings.stop_gain,
        head_warmup_steps=settings.head_warmup_steps,
        eval_strategy="steps",
        eval_steps=every,
        # Evaluations are told apart by its rate from what a falling one does.
        lr_scheduler_type="constant_with_warmup",
    )
    # Before the model, whose new tables are drawn: alike whatever this process did before.
    transformers.set_seed(settings.seed)
    model = load_for_method(
        start,
        method=settings.method,
        languages=store.languages,
        add_languages=True,
        new_lm_head=settings.new_lm_head,
        trust_remote_code=settings.trust_remote_code,
    )
    teacher = None
    if taught:
        before = load_masked_lm(start, trust_remote_code=settings.trust_remote_code)
        teacher = Teacher(before, num_old_tokens)
    trainer = MaskedLMTrainer(model, arguments, store=store, teacher=teacher)
    trainer.facts["old_languages"] = keeping_line(settings)
    _train(trainer, folder, settings)


def align_model(settings: AdaptSettings, start: Path, pairs: Any, folder: Path) -> None:
    """Align scripts after pretraining, from the last checkpoint where it was interrupted.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        start (`Path`): the model that was trained.
        pairs ([`~hf_mplm.PairStore`]): sentences and their romanisations.
        folder (`Path`): an empty folder; checkpoints stand beside it in `run`.
    """
    steps = settings.align_steps
    arguments = ScriptAlignmentArguments(
        **_common(settings, folder.parent / "run", steps, max(1, steps // 4)), mask_rate=str(settings.mask_rate)
    )
    transformers.set_seed(settings.seed)
    trainer = ScriptAlignmentTrainer(load_masked_lm(start), arguments, store=pairs)
    _train(trainer, folder, settings)


def shared_tokens(old: PreTrainedTokenizerBase, new: PreTrainedTokenizerBase) -> int:
    """How many first ids stand for the same tokens in two tokenizers.

    Args:
        old (`PreTrainedTokenizerBase`): the tokenizer of before.
        new (`PreTrainedTokenizerBase`): the one that was made from it.
    """
    names = {index: token for token, index in new.get_vocab().items()}
    before = {index: token for token, index in old.get_vocab().items()}
    return next((index for index in range(len(before)) if before.get(index) != names.get(index)), len(before))


def _common(settings: AdaptSettings, run: Path, steps: int, every: int) -> dict[str, Any]:
    return {
        "output_dir": str(run),
        "max_steps": steps,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "warmup_steps": 0.06,
        "logging_steps": max(1, steps // 60),
        "save_steps": every,
        "save_total_limit": 1,
        "seed": settings.seed,
        "use_cpu": settings.use_cpu or not torch.cuda.is_available(),
    }


def _train(trainer: MaskedLMTrainer, folder: Path, settings: AdaptSettings) -> None:
    run = folder.parent / "run"
    trainer.train(resume_from_checkpoint=trainer.last_checkpoint())
    trainer.save_finished(finetuned_from=settings.model, model_name=folder.parent.parent.resolve().name)
    for path in run.iterdir():
        # Checkpoints, which resume the run, go with it; digests are made of the whole folder anew.
        if path.is_file() and path.name not in (DIGESTS_FILE, *LOCK_FILES):
            shutil.copyfile(path, folder / path.name)
