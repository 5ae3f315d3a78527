"""Training arguments shared by all trainers of the package."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import TrainingArguments

from hf_mplm._compat import express_warmup_share
from hf_mplm.data.batches.schedules import Schedule

from .flags import refuse_ignored, refuse_impossible, withheld_flags


__all__ = ["MplmTrainingArguments"]


@dataclass
class MplmTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` with the few defaults that differ, and what does not fit refused.

    Changed defaults: `output_dir` must be given; `logging_steps` 10; `report_to` "none"; `warmup_steps` takes a share
    below 1 on both stacks; `logging_nan_inf_filter` off (a loss that is not finite stops the run instead of vanishing
    from the log); `restore_callback_states_from_checkpoint` on (early stopping resumes where it was).

    Args:
        output_dir (`str`): where checkpoints and the final model go; `--output` on the command line.
        alpha (`str`, *optional*, defaults to `"0.3"`): languages are drawn by p ~ n^alpha; a number or a schedule, see
            [`~hf_mplm.data.Schedule`].
        replay_languages (`list[str]`, *optional*): languages of the rows that have `replay_share` of the draws
            together, however much text there is of them: those that the model knows already and is not to forget.
        replay_share (`float`, *optional*, defaults to 0.3): that share, between 0 and 1.
        group_by_length (`bool`, *optional*, defaults to `False`): steps of rows of like length, for less padding.
        eval_mask_draws (`int`, *optional*, defaults to 1): how often each held-out row is masked and scored; more give
            a steadier loss.
        warmup_steps (`float`, *optional*, defaults to 0): steps of linear warm-up, or a share of the run if below 1.
        logging_steps (`float`, *optional*, defaults to 10): steps between two lines of the log, or a share below 1.
        report_to (`str`, *optional*, defaults to `"none"`): where else to report, such as `tensorboard` or `wandb`.
        logging_nan_inf_filter (`bool`, *optional*, defaults to `False`): kept off, see above.
        restore_callback_states_from_checkpoint (`bool`, *optional*, defaults to `True`): for exact resuming.

    Raises:
        ValueError: for an argument of Trainer's that the trainers of this package do not honour.
    """

    _argument_group_name = "training"
    _withheld_flags = withheld_flags()

    output_dir: str = field(
        metadata={"help": "Where checkpoints and the final model are written.", "aliases": ["--output"]}
    )
    alpha: str = field(
        default="0.3",
        metadata={
            "help": "Languages are drawn by p ~ n^alpha. A number, or a schedule as JSON: "
            '[[0.0, 0.7], [0.6, 0.5], [0.9, 0.3]] or {"start": 0.7, "end": 0.3, "kind": "linear"}.'
        },
    )
    replay_languages: list[str] | None = field(
        default=None,
        metadata={"help": "Languages of the store that the model is not to forget: they have --replay_share."},
    )
    replay_share: float = field(
        default=0.3, metadata={"help": "Share of the draws that --replay_languages have together."}
    )
    group_by_length: bool = field(
        default=False, metadata={"help": "Put rows of like length into the same step, for less padding."}
    )
    eval_mask_draws: int = field(
        default=1, metadata={"help": "How often each held-out row is masked anew and scored; more, a steadier loss."}
    )
    warmup_steps: float = field(
        default=0.0, metadata={"help": "Steps of linear warm-up; below 1 it is a share of the run."}
    )
    logging_steps: float = field(
        default=10, metadata={"help": "Steps between two lines of the log; below 1 it is a share of the run."}
    )
    report_to: str = field(
        default="none", metadata={"help": "Where else to report the log: tensorboard, wandb, ... or none."}
    )
    logging_nan_inf_filter: bool = field(
        default=False, metadata={"help": "Leave it off: a loss that is not finite stops the run."}
    )
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "Resume callbacks such as early stopping where they were."}
    )

    def __post_init__(self) -> None:
        refuse_ignored(self)
        if getattr(self, "train_sampling_strategy", "") == "group_by_length":
            self.group_by_length = True  # transformers 5's name for it
        express_warmup_share(self)
        super().__post_init__()
        if self.eval_mask_draws < 1:
            raise ValueError(f"--eval_mask_draws is {self.eval_mask_draws}; give 1, or more for a steadier loss")
        Schedule.parse(self.alpha, name="alpha", minimum=0.0)  # before anything long starts
        if self.replay_languages is not None and not 0 < self.replay_share < 1:
            raise ValueError(f"--replay_share is {self.replay_share}; give a share between 0 and 1, such as 0.3")
        refuse_impossible(self)
        if self.n_gpu > 1:
            raise ValueError(
                f"{self.n_gpu} GPUs are visible to one process, which Trainer would use through DataParallel; start "
                f"one process per GPU: torchrun --nproc_per_node {self.n_gpu} -m hf_mplm ..., or set "
                "CUDA_VISIBLE_DEVICES=0"
            )
