"""What becomes of every argument that Trainer has: it is honoured, or a value of it is refused with the reason.

One table. An argument that a new transformers adds and the table lacks makes a test fail.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, NamedTuple


__all__ = [
    "HONOURED",
    "NOT_ON_THE_COMMAND_LINE",
    "REFUSED",
    "Refusal",
    "refuse_ignored",
    "refuse_impossible",
    "withheld_flags",
]


class Refusal(NamedTuple):
    """Why an argument is not taken, and what to type instead."""

    reason: str
    instead: str


_EVALUATION = Refusal(
    "the held-out loss is two sums a language, without predictions or metrics over them", "leave it out"
)
_HUB_NAME = Refusal("it is transformers' name of before", "give hub_model_id as OWNER/NAME")
_ONE_EACH = "start one process a device without it: torchrun --nproc_per_node 2 -m hf_mplm ..."
# Seen with torch 2.13 and accelerate 1.15, made to shard on CPU processes; transformers' own masked LMs end so, too.
# ModernBERT's, whose bias is its decoder's alone, did train. No CPU run as accelerate has it would keep that tested.
_FSDP = Refusal(
    "torch's fully_shard refuses the masked LMs of XLM-R and BERT as accelerate hands them over (\"Parameter "
    "'lm_head.decoder.bias' is shared with a parameter already managed by another FSDP group\"), and on CPU processes "
    "accelerate shards nothing, without a word",
    _ONE_EACH,
)
_DEEPSPEED = Refusal("it was not tried; accelerate uses it on GPUs only", _ONE_EACH)
_SPLIT = Refusal("a model whose layers or sequences are split over devices was not tried", _ONE_EACH)
_OLD_PRECISION = Refusal("apex is not used", "give --fp16 or --bf16 alone")
_TPU = Refusal("nothing was tried on a TPU", "leave it out")
_LIGER = Refusal("the masked-LM loss is fused already, at masked positions only", "leave it out")
_VERBS = Refusal(
    "training is `trainer.train()` or the verb itself, and the held-out loss is measured wherever text is held out",
    "leave it out; `hf-mplm evaluate` measures without training",
)

REFUSED: dict[str, Refusal] = {
    # What the verb or the method decides.
    "do_train": _VERBS,
    "do_eval": _VERBS,
    "do_predict": _VERBS,
    "resume_from_checkpoint": Refusal(
        "Trainer itself does not read it",
        "--resume auto, the default, goes on from the last whole checkpoint of --output; in Python "
        "`trainer.train(resume_from_checkpoint=True)`",
    ),
    "overwrite_output_dir": Refusal("nothing is overwritten", "--resume never and another --output start anew"),
    "enable_jit_checkpoint": Refusal(
        "a checkpoint written in the middle of a step cannot be gone on from exactly", "set --save_steps"
    ),
    # The loss.
    "label_smoothing_factor": Refusal("the LM loss at masked positions is not smoothed", "leave it at 0"),
    "label_names": Refusal("the collator names its labels itself", "leave it out"),
    "use_cache": Refusal("an encoder has no cache of keys and values", "leave it out"),
    "past_index": Refusal("an encoder has no past states", "leave it out"),
    "use_liger_kernel": _LIGER,
    "liger_kernel_config": _LIGER,
    "logging_nan_inf_filter": Refusal("a loss that is not finite stops the run", "leave it off"),
    # The data.
    "length_column_name": Refusal("lengths are counted in the rows' own tokens", "give --group_by_length alone"),
    "dataloader_drop_last": Refusal("draws fill every batch, and no held-out row may be left out", "leave it out"),
    "dataloader_in_order": Refusal("the order of draws is what makes a run resumable", "leave it on"),
    "include_tokens_per_second": Refusal("the log has tokens_per_second anyway", "leave it out"),
    # Evaluation.
    "prediction_loss_only": _EVALUATION,
    "eval_do_concat_batches": _EVALUATION,
    "eval_use_gather_object": _EVALUATION,
    "eval_accumulation_steps": _EVALUATION,
    "include_for_metrics": _EVALUATION,
    "include_inputs_for_metrics": _EVALUATION,
    "batch_eval_metrics": _EVALUATION,
    "use_legacy_prediction_loop": _EVALUATION,
    "jit_mode_eval": _EVALUATION,
    # Uploading.
    "hub_always_push": Refusal("a push is waited for, so that none is skipped", "leave it out"),
    "push_to_hub_model_id": _HUB_NAME,
    "push_to_hub_organization": _HUB_NAME,
    "push_to_hub_token": Refusal("it is transformers' name of before", "set HF_TOKEN, or give hub_token"),
    "save_safetensors": Refusal("weights are safetensors always", "leave it on"),
    # Processes and devices.
    "fsdp": _FSDP,
    "fsdp_config": _FSDP,
    "fsdp_min_num_params": _FSDP,
    "fsdp_transformer_layer_cls_to_wrap": _FSDP,
    "deepspeed": _DEEPSPEED,
    "parallelism_config": _SPLIT,
    "mp_parameters": _SPLIT,
    "fp16_opt_level": _OLD_PRECISION,
    "fp16_backend": _OLD_PRECISION,
    "tpu_num_cores": _TPU,
    "tpu_metrics_debug": _TPU,
    "use_mps_device": Refusal("transformers takes an MPS device where there is one", "leave it out"),
    "ray_scope": Refusal("there is no search for hyper-parameters here", "leave it out"),
}

HONOURED: frozenset[str] = frozenset(
    # By the code of this package.
    (
        "alpha group_by_length train_sampling_strategy mask_rate eval_mask_rate eval_mask_draws data_seed max_steps "
        "num_train_epochs disable_tqdm dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers "
        "dataloader_prefetch_factor dataloader_multiprocessing_context per_device_eval_batch_size head_warmup_steps "
        "replay_languages replay_share distill_weight stop_gain "
        # All columns reach the collator, and a resumed run never replays batches, whatever these say.
        "remove_unused_columns ignore_data_skip "
        # Counts run over all processes; `False` is refused where there are several.
        "average_tokens_across_devices "
        # All but `split_batches` and `dispatch_batches`, which would deal draws out in another way.
        "accelerator_config "
        "mlm_weight romanized_mlm_weight seq_weight tlm_weight token_weight max_length layer temperature similarity "
        "gather_negatives token_temperature cache_mini_batch_size pack_texts "
        "align_weight loss words_per_step pool_special_tokens target_scale components ridge subspace_batch"
    ).split()
    # By Trainer, whose code for them runs as it is.
    + (
        "output_dir per_device_train_batch_size learning_rate lr_scheduler_type lr_scheduler_kwargs warmup_steps "
        "warmup_ratio optim optim_args adafactor weight_decay adam_beta1 adam_beta2 adam_epsilon optim_target_modules "
        "gradient_accumulation_steps max_grad_norm bf16 fp16 bf16_full_eval fp16_full_eval half_precision_backend "
        "tf32 activation_checkpointing activation_checkpointing_kwargs gradient_checkpointing "
        "gradient_checkpointing_kwargs torch_compile torch_compile_backend torch_compile_mode torchdynamo "
        "neftune_noise_alpha torch_empty_cache_steps auto_find_batch_size logging_dir logging_strategy logging_steps "
        "logging_first_step log_on_each_node include_num_input_tokens_seen log_level log_level_replica report_to "
        "run_name project trackio_space_id trackio_bucket_id trackio_static_space_id eval_strategy eval_steps "
        "eval_delay eval_on_start save_only_model save_strategy save_steps save_on_each_node save_total_limit "
        "push_to_hub hub_strategy hub_token hub_private_repo hub_model_id hub_revision "
        "load_best_model_at_end metric_for_best_model "
        "greater_is_better restore_callback_states_from_checkpoint full_determinism seed use_cpu no_cuda "
        "per_gpu_train_batch_size per_gpu_eval_batch_size ddp_find_unused_parameters ddp_bucket_cap_mb "
        "ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout debug skip_memory_metrics local_rank"
    ).split()
)

# A command line is seen by everybody on a machine, and stays in a shell's history.
_TOKEN = Refusal("a token does not belong on a command line", "log in by `hf auth login`, or set HF_TOKEN")
# What is refused is not offered either.
NOT_ON_THE_COMMAND_LINE: frozenset[str] = frozenset({"hub_token", *REFUSED})
# The others upload what resumes a run, which is pickled.
_HUB_STRATEGIES = ("end", "every_save")

# At least 1 each.
_COUNTS = ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps")


def withheld_flags() -> dict[str, str]:
    """What the command line does not offer, and what is said to those who type it."""
    refusals = {"hub_token": _TOKEN, **REFUSED}
    return {name: f"{refusals[name].reason}; {refusals[name].instead}" for name in NOT_ON_THE_COMMAND_LINE}


def refuse_ignored(args: Any) -> None:
    """Refuse what would be accepted and have no effect; before Trainer's own `__post_init__` fills in values.

    Args:
        args (`MplmTrainingArguments`): the arguments as they were given.

    Raises:
        ValueError: naming the argument, the reason and what to give instead.
    """
    for name, refusal in (("FSDP", _FSDP), ("DeepSpeed", _DEEPSPEED)):
        if os.environ.get(f"ACCELERATE_USE_{name.upper()}", "false").lower() in ("1", "true"):
            raise ValueError(
                f"{name}, which accelerate launch asks for, is not taken: {refusal.reason}; {refusal.instead}"
            )
    for field in dataclasses.fields(args):
        if field.name not in REFUSED:
            continue
        refusal = REFUSED[field.name]
        value = getattr(args, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value == default or value in (None, "", [], {}) or _filled_in(args, field.name, value):
            continue
        raise ValueError(
            f"{field.name}={'...' if 'token' in field.name else repr(value)} is not taken: {refusal.reason}; "
            f"{refusal.instead}"
        )
    strategy = getattr(args, "train_sampling_strategy", "random")
    if strategy not in ("random", "group_by_length"):
        raise ValueError(
            f"train_sampling_strategy={strategy!r} is not taken: languages are drawn at random by p ~ n^alpha; give "
            "random, or group_by_length for steps of rows of like length"
        )
    strategy = str(getattr(args.hub_strategy, "value", args.hub_strategy))
    if args.push_to_hub and strategy not in _HUB_STRATEGIES:
        raise ValueError(
            f"hub_strategy={strategy!r} is not taken: it uploads optimizer and random states, which are pickled; give "
            "every_save, which publishes the model of every checkpoint, or end"
        )
    for name in _COUNTS:
        if getattr(args, name) < 1:
            raise ValueError(f"{name} is {getattr(args, name)}; give 1 or more")
    if args.max_steps == 0 or args.max_steps < -1:
        raise ValueError(
            f"max_steps is {args.max_steps}; give 1 or more, or leave it out (-1) to train for num_train_epochs; "
            "`hf-mplm evaluate` measures a model without training it"
        )
    if args.max_steps == -1 and args.num_train_epochs <= 0:
        raise ValueError(f"num_train_epochs is {args.num_train_epochs}; give more than 0, or give max_steps")


def refuse_impossible(args: Any) -> None:
    """Refuse what only shows once Trainer has looked around: processes and accelerate's settings.

    Args:
        args (`MplmTrainingArguments`): the arguments after Trainer's `__post_init__`.

    Raises:
        ValueError: naming what is in the way and what to do instead.
    """
    for name in ("split_batches", "dispatch_batches"):
        if getattr(args.accelerator_config, name, None):
            raise ValueError(
                f"accelerator_config has {name}, which would deal draws out to processes in another way; leave it out"
            )
    if not args.average_tokens_across_devices and args.world_size > 1:
        raise ValueError(
            "average_tokens_across_devices=False is not taken: token losses are means over all processes, so that "
            "their number changes nothing; leave it on"
        )


def _filled_in(args: Any, name: str, value: Any) -> bool:
    """Whether Trainer's own `__post_init__` gave this value, in arguments that are made out of others."""
    if name == "do_eval":
        return bool(value) and str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no"
    if name == "do_train":
        return False
    if name == "fsdp_config":
        return (
            isinstance(value, dict)
            and not any(
                setting for key, setting in value.items() if key not in ("xla", "xla_fsdp_v2", "xla_fsdp_grad_ckpt")
            )
            and not args.fsdp
        )
    return False
