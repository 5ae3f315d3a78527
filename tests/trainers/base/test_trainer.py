from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional
from transformers import DistilBertConfig, DistilBertForMaskedLM, EarlyStoppingCallback

from hf_mplm.trainers import MplmTrainer, MplmTrainingArguments
from tests.fixtures import tiny_xlm_roberta as build
from tests.trainers.helpers import CODES, largest_difference, make_rows, make_trainer
from tests.trainers.masked_lm.test_trainer import TakeGradients, gradients_of


class TwoStreams:
    """Two maskings of each row, under two prefixes, as a method with parallel text has them."""

    def __init__(self, tokenizer):
        from hf_mplm.data.batches.collators import DataCollatorForMaskedLM

        self.streams = {
            f"{name}_": DataCollatorForMaskedLM(tokenizer, mask_rate=0.3, stream=stream)
            for stream, name in enumerate(("source", "target"))
        }

    def __call__(self, features):
        batch = {}
        for prefix, collator in self.streams.items():
            made = collator(features)
            batch |= {"language": made.pop("language")}
            made.pop("draw")
            batch |= {prefix + key: value for key, value in made.items()}
        return batch

    def for_evaluation(self):
        return self


class TwoStreamTrainer(MplmTrainer):
    """One forward over both streams, a token loss for each, and a loss that is a mean over the micro-batch's rows."""

    collator_class = TwoStreams

    def loss_terms(self, model, inputs, counts):
        width = max(inputs[f"{name}_input_ids"].shape[1] for name in ("source", "target"))

        def both(key, fill):
            parts = [inputs[f"{name}_{key}"] for name in ("source", "target")]
            return torch.cat([functional.pad(part, (0, width - part.shape[1]), value=fill) for part in parts])

        outputs = model(both("input_ids", 1), attention_mask=both("attention_mask", 0), output_hidden_states=True)
        logits = outputs.logits.chunk(2)
        terms = {}
        for name, values, labels in zip(("source", "target"), logits, both("labels", -100).chunk(2)):
            total = functional.cross_entropy(values.flatten(0, 1), labels.flatten(), reduction="sum")
            terms[name] = self.per_item(total, counts[f"{name}_labels"])
        source, target = outputs.hidden_states[-1][:, 0].chunk(2)
        distance = (source - target).square().sum(-1).mean()
        terms["distance"] = distance / self.current_gradient_accumulation_steps
        return terms


def two_stream_run(tokenizer, folder, batch, accumulation):
    taken = TakeGradients()
    arguments = MplmTrainingArguments(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        logging_steps=1,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        max_grad_norm=0.0,
        learning_rate=0.0,
    )
    rows = make_rows(tokenizer)
    trainer = TwoStreamTrainer(
        build(len(tokenizer)),
        arguments,
        train_dataset=rows,
        eval_dataset=rows.select(range(10)),
        processing_class=tokenizer,
        callbacks=[taken],
    )
    trainer.train()
    return taken.gradients, trainer


def test_a_method_with_several_streams_needs_one_function(tiny_tokenizer, tmp_path):
    reference, trainer = two_stream_run(tiny_tokenizer, tmp_path, 8, 1)
    scale = max(float(gradient.abs().max()) for gradient in reference.values())
    for batch, accumulation in [(4, 2), (2, 4)]:
        gradients, other = two_stream_run(tiny_tokenizer, tmp_path, batch, accumulation)
        assert largest_difference(reference, gradients) < 1e-5 * scale
        for line, same in zip(trainer.state.log_history[:2], other.state.log_history[:2]):
            names = ("source_loss", "target_loss", "distance_loss")
            assert [line[name] for name in names] == pytest.approx([same[name] for name in names], rel=1e-5)
            assert sum(line[name] for name in names) == pytest.approx(line["loss"], rel=1e-5)
    metrics = trainer.evaluate()
    names = ("source", "target", "distance")
    assert metrics["eval_loss"] == pytest.approx(sum(metrics[f"eval_{name}_loss"] for name in names))
    assert {f"eval_loss_{CODES[0]}", "eval_loss_macro"} <= set(metrics)


def test_an_architecture_that_nobody_has_heard_of(tiny_tokenizer, tmp_path):
    config = DistilBertConfig(
        vocab_size=len(tiny_tokenizer),
        dim=32,
        hidden_dim=64,
        n_layers=1,
        n_heads=2,
        dropout=0.0,
        attention_dropout=0.0,
    )
    start, found = DistilBertForMaskedLM(config), {}
    for batch, accumulation in [(8, 1), (2, 4)]:
        found[batch], _ = gradients_of(copy.deepcopy(start), tiny_tokenizer, tmp_path, batch, accumulation)
    scale = max(float(gradient.abs().max()) for gradient in found[8].values())
    assert largest_difference(found[8], found[2]) < 1e-5 * scale


def test_the_trainer_of_transformers_would_multiply(tiny_tokenizer, tmp_path):
    """Why the loss is not left to stock models: XLM-R of transformers 5 ignores the count that Trainer gives it."""
    from transformers import Trainer, TrainingArguments

    from hf_mplm._compat import TRANSFORMERS_5

    if not TRANSFORMERS_5:
        pytest.skip("transformers 4.57 honours the count")
    trainer = make_trainer(build(len(tiny_tokenizer)), tiny_tokenizer, tmp_path)
    batches = [
        {key: value for key, value in batch.items() if key not in ("draw", "language")}
        for batch in list(trainer.get_train_dataloader())[:4]
    ]
    norms = {}
    for accumulation in (1, 4):
        taken = TakeGradients()
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=accumulation,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            max_grad_norm=0.0,
        )
        stock = Trainer(
            build(len(tiny_tokenizer)),
            arguments,
            data_collator=lambda rows: batches[rows[0]["index"] % 4],
            train_dataset=[{"index": 0}] * 4,
            callbacks=[taken],
        )
        stock._signature_columns = ["index"]
        stock.train()
        norms[accumulation] = sum(float(gradient.square().sum()) for gradient in taken.gradients.values()) ** 0.5
    assert norms[4] == pytest.approx(4 * norms[1], rel=1e-4)


@dataclass
class Other(MplmTrainingArguments):
    pass


def test_warmup_may_be_a_share(tmp_path):
    arguments = Other(output_dir=str(tmp_path), warmup_steps=0.25, use_cpu=True)
    assert arguments.get_warmup_steps(100) == 25
    assert Other(output_dir=str(tmp_path), warmup_steps=7, use_cpu=True).get_warmup_steps(100) == 7


def test_length_grouping_keeps_a_step_together(tiny_tokenizer, tmp_path):
    found = {}
    for batch, accumulation in [(8, 1), (2, 4)]:
        model = build(len(tiny_tokenizer))
        found[batch], _ = gradients_of(model, tiny_tokenizer, tmp_path, batch, accumulation, group_by_length=True)
    scale = max(float(gradient.abs().max()) for gradient in found[8].values())
    assert largest_difference(found[8], found[2]) < 1e-5 * scale
    trainer = make_trainer(
        build(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, group_by_length=True, per_device_train_batch_size=8
    )
    spread = [float(batch["attention_mask"].sum(1).float().std()) for batch in trainer.get_train_dataloader()]
    trainer.args.group_by_length = False
    plain = [float(batch["attention_mask"].sum(1).float().std()) for batch in trainer.get_train_dataloader()]
    assert sum(spread) < 0.5 * sum(plain)


def test_early_stopping_is_resumed_where_it_was(tiny_tokenizer, tmp_path):
    settings = {
        "max_steps": 12,
        "learning_rate": 0.0,  # nothing improves after the first evaluation
        "eval_strategy": "steps",
        "eval_steps": 1,
        "save_strategy": "steps",
        "save_steps": 1,
        "metric_for_best_model": "eval_loss",
        "load_best_model_at_end": True,
    }
    for name, resumed in (("whole", False), ("resumed", True)):
        folder = tmp_path / name
        if resumed:
            first = make_trainer(
                build(len(tiny_tokenizer)),
                tiny_tokenizer,
                folder,
                callbacks=[EarlyStoppingCallback(4)],
                **{**settings, "max_steps": 3},
            )
            first.train()
        trainer = make_trainer(
            build(len(tiny_tokenizer)), tiny_tokenizer, folder, callbacks=[EarlyStoppingCallback(4)], **settings
        )
        trainer.train(resume_from_checkpoint=resumed)
        assert trainer.state.global_step == 5


def test_epoch_strategies_follow_the_draws(tiny_tokenizer, tmp_path):
    trainer = make_trainer(
        build(len(tiny_tokenizer)),
        tiny_tokenizer,
        tmp_path,
        max_steps=40,
        save_strategy="epoch",
        eval_strategy="epoch",
        logging_strategy="epoch",
    )
    trainer.train()
    # 60 rows, 4 a step: 15 steps an epoch, and the end.
    assert sorted(int(path.name.split("-")[1]) for path in tmp_path.glob("checkpoint-*")) == [15, 30, 40]
    assert [line["step"] for line in trainer.state.log_history if "eval_loss" in line] == [15, 30, 40]


def test_replayed_languages_have_their_share_of_the_draws(tiny_tokenizer, tmp_path):
    def drawn(**settings):
        trainer = make_trainer(build(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, max_steps=256, **settings)
        trainer.get_train_dataloader()
        return trainer._sampler.language_counts(0, 1024)

    # Of a language of a tenth of the rows, and of one of six tenths.
    assert abs(drawn(replay_languages=["srp_Cyrl"], replay_share=0.5)[2] - 512) <= 3
    assert abs(drawn(replay_languages=["deu_Latn"], replay_share=0.2)[0] - 205) <= 3
    assert abs(drawn()[2] - 512) > 100  # vacuity guard


def test_replay_of_what_is_not_there_is_refused(tiny_tokenizer, tmp_path):
    trainer = make_trainer(build(len(tiny_tokenizer)), tiny_tokenizer, tmp_path, replay_languages=["swh_Latn"])
    with pytest.raises(ValueError, match="no text of it in the store"):
        trainer.train()
    with pytest.raises(ValueError, match="replay_share"):
        make_trainer(
            build(len(tiny_tokenizer)),
            tiny_tokenizer,
            tmp_path,
            replay_languages=["srp_Cyrl"],
            replay_share=1.5,
        )
