from __future__ import annotations

import dataclasses
import enum

import pytest
import torch

from hf_mplm.trainers import MaskedLMTrainingArguments, ScriptAlignmentArguments, StaticAlignmentArguments
from hf_mplm.trainers.base.flags import HONOURED, NOT_ON_THE_COMMAND_LINE, REFUSED
from tests.fixtures import tiny_xlm_roberta

from ..helpers import largest_difference, make_args, make_rows, make_trainer, weights


CLASSES = (MaskedLMTrainingArguments, ScriptAlignmentArguments, StaticAlignmentArguments)
# Values of their own where another value than the default cannot be made from the default.
OTHERS = {
    "resume_from_checkpoint": "no/such/checkpoint",
    "label_names": ["labels"],
    "fsdp": "full_shard",
    "fsdp_config": {"min_num_params": 3},
    "deepspeed": {"zero_optimization": {"stage": 2}},
    "parallelism_config": object(),
    "include_for_metrics": ["loss"],
    "liger_kernel_config": {"rope": True},
    "eval_accumulation_steps": 2,
    "fsdp_transformer_layer_cls_to_wrap": "XLMRobertaLayer",
    "tpu_num_cores": 8,
    "fp16_opt_level": "O2",
    "fp16_backend": "amp",
    "ray_scope": "all",
    "length_column_name": "longth",
    "mp_parameters": "x",
    "push_to_hub_model_id": "x",
    "push_to_hub_organization": "x",
    "push_to_hub_token": "x",
}


def fields(cls):
    return [field for field in dataclasses.fields(cls) if field.init]


def another_value(field):
    if field.name in OTHERS:
        return OTHERS[field.name]
    assert isinstance(field.default, (bool, int, float)) and not isinstance(field.default, enum.Enum), field.name
    return not field.default if isinstance(field.default, bool) else field.default + 3


@pytest.mark.parametrize("cls", CLASSES)
def test_every_argument_is_honoured_or_refused(cls) -> None:
    names = {field.name for field in fields(cls)}
    unknown = names - HONOURED - set(REFUSED)
    assert not unknown, f"say in flags.py what becomes of {sorted(unknown)}"
    assert not HONOURED & set(REFUSED)


@pytest.mark.parametrize("cls", CLASSES)
def test_what_is_refused_says_why_and_what_to_give_instead(cls, tmp_path) -> None:
    tried = 0
    for field in fields(cls):
        if field.name not in REFUSED:
            continue
        value = another_value(field)
        with pytest.raises(ValueError, match=field.name) as error:
            cls(output_dir=str(tmp_path), use_cpu=True, **{field.name: value})
        assert REFUSED[field.name].reason in str(error.value) and REFUSED[field.name].instead in str(error.value)
        assert "push_to_hub_token=x" not in str(error.value)
        tried += 1
    assert tried > 20


@pytest.mark.parametrize("cls", CLASSES)
def test_arguments_made_out_of_others_are_taken(cls, tmp_path) -> None:
    """Trainer fills in values of its own, which are not the user's."""
    args = cls(output_dir=str(tmp_path), use_cpu=True, eval_strategy="steps", eval_steps=3)
    assert dataclasses.replace(args, seed=5).seed == 5


@pytest.mark.parametrize("strategy", ["checkpoint", "all_checkpoints"])
def test_what_would_upload_pickles_is_refused(strategy, tmp_path) -> None:
    with pytest.raises(ValueError, match="which are pickled; give every_save"):
        make_args(tmp_path, push_to_hub=True, hub_strategy=strategy, hub_model_id="me/model")
    assert make_args(tmp_path, push_to_hub=True, hub_strategy="end", hub_model_id="me/model").push_to_hub


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_steps": 0}, "max_steps is 0"),
        ({"max_steps": -5}, "max_steps is -5"),
        ({"max_steps": -1, "num_train_epochs": 0}, "num_train_epochs is 0"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size is 0"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps is 0"),
        ({"accelerator_config": {"split_batches": True}}, "split_batches"),
    ],
)
def test_values_that_would_be_ignored_are_refused(settings, words, tmp_path) -> None:
    with pytest.raises(ValueError, match=words):
        make_args(tmp_path, **settings)


@pytest.mark.parametrize(
    ("variable", "name"), [("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")]
)
def test_sharding_that_a_launcher_asks_for_is_refused(variable, name, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(ValueError, match=f"{name}, which accelerate launch"):
        make_args(tmp_path)


def train(tokenizer, folder, **settings):
    torch.manual_seed(0)
    model = tiny_xlm_roberta(len(tokenizer))
    before = weights(model)
    trainer = make_trainer(model, tokenizer, folder, rows=make_rows(tokenizer), **settings)
    trainer.train()
    assert largest_difference(before, weights(model)) > 0
    return weights(model), trainer


def test_noise_on_the_embeddings_reaches_the_loss(tiny_tokenizer, tmp_path) -> None:
    plain, _ = train(tiny_tokenizer, tmp_path)
    again, _ = train(tiny_tokenizer, tmp_path)
    noisy, trainer = train(tiny_tokenizer, tmp_path, neftune_noise_alpha=50.0)
    assert largest_difference(plain, again) == 0  # vacuity guard
    assert largest_difference(plain, noisy) > 0
    assert not trainer.model.get_input_embeddings()._forward_hooks


def test_both_names_of_length_grouping_are_one(tiny_tokenizer, tmp_path) -> None:
    if "train_sampling_strategy" not in {field.name for field in fields(MaskedLMTrainingArguments)}:
        pytest.skip("transformers 4.57 has one name for it")
    plain, _ = train(tiny_tokenizer, tmp_path)
    flag, _ = train(tiny_tokenizer, tmp_path, group_by_length=True)
    strategy, _ = train(tiny_tokenizer, tmp_path, train_sampling_strategy="group_by_length")
    assert largest_difference(flag, strategy) == 0
    assert largest_difference(plain, flag) > 0
    with pytest.raises(ValueError, match="sequential"):
        make_args(tmp_path, train_sampling_strategy="sequential")


@pytest.mark.parametrize("verb", ["pretrain", "align_scripts", "align_static"])
def test_the_command_line_offers_no_flag_that_does_nothing(verb, capsys) -> None:
    import importlib

    from hf_mplm.cli.main import main

    module = importlib.import_module(f"hf_mplm.cli.{verb}")
    offered = {action.dest for action in module.make_parser()._actions}
    assert not offered & NOT_ON_THE_COMMAND_LINE
    assert {"neftune_noise_alpha", "max_steps", "seed"} <= offered
    given = {
        "do_train": "false",
        "do_eval": "true",
        "resume_from_checkpoint": "no/such/checkpoint",
        "fsdp": "full_shard",
        "hub_token": "secret",
    }
    for name, value in given.items():
        line = [verb.replace("_", "-"), "--output", "x", "--model", "m", "--store", "s", f"--{name}", value]
        try:
            status = main(line)
        except SystemExit as error:
            status = error.code
        message = capsys.readouterr().err
        assert status == 2 and f"--{name}" in message and "secret" not in message
        reason = REFUSED[name].reason if name in REFUSED else "hf auth login"
        assert reason in message


def test_a_script_without_bars_and_without_logging_sees_its_losses(tiny_tokenizer, tmp_path, capsys) -> None:
    train(tiny_tokenizer, tmp_path, disable_tqdm=True)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step ")]
    assert len(lines) >= 4 and "loss" in lines[0]
