"""Alignment of an encoder with static word vectors, beside masked language modelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.losses.gradient_cache import RandomState, representation_gradients, surrogate_loss
from hf_mplm.modeling.pooling import capture_layer, truncated_encoder, without_peft
from hf_mplm.modeling.stock import masked_only

from ..base.arguments import MplmTrainingArguments
from ..base.meters import SumMeter
from ..base.random_state import preserve_training_state
from ..base.run_record import read_run
from ..masked_lm.token_rows import RowEncoding, longest_text, segment_means
from ..masked_lm.trainer import MaskedLMTrainer
from .alignment import StaticAlignment
from .arguments import StaticAlignmentArguments
from .collator import DataCollatorWithWords
from .settings import check_settings, check_words
from .word_rows import WordRows, word_rows
from .words import EncodedWords


__all__ = ["StaticAlignmentTrainer"]

# In `run.json`: what targets are multiplied by, which was measured before the first step.
_FACTOR = "target_factor"


class _Cached(NamedTuple):
    """Of the words of a step on this process: what its micro-batches need. One of each for every micro-batch."""

    random_states: list[RandomState]
    gradients: torch.Tensor
    terms: dict[str, torch.Tensor]


class StaticAlignmentTrainer(MaskedLMTrainer):
    """Align an encoder across languages by word vectors that are aligned already (Hämmerl et al. 2022, section 4).

    `L = MLM + alignment`, each with a weight. Beside its text a step has `words_per_step` words, drawn from all
    languages in proportion to their numbers. Each stands alone between special tokens, packed into the text's own
    forward pass, and its pooled state is compared with its vector; the LM head sees none of it. The vectors are
    constants, of length 1.

    `dcca` is a loss of all words of the step, in all micro-batches and processes: with one micro-batch they come out
    of the text's forward pass, with several a pass without a graph goes before, and each micro-batch then passes its
    words' gradients on. `subspace` and `mse` are means over batches and numbers.

    The log has `mlm_loss` and `dcca_loss` (`mse_loss`, `subspace_loss`) as they enter the loss, weights included, and
    `dcca_chance`, the value of `dcca_loss` for words and vectors that do not belong together: what it has to fall
    below. `eval_loss` is of masked LM alone.

    The model is saved as the stock class of its architecture.

    ```python
    words = StaticEmbeddings.from_pretrained("mapped").word_vectors()
    args = StaticAlignmentArguments(output_dir="out", max_steps=7500, per_device_train_batch_size=64)
    trainer = StaticAlignmentTrainer(load_masked_lm("FacebookAI/xlm-roberta-base"), args, words=words, store=store)
    trainer.train()
    ```

    Args:
        model (`transformers.PreTrainedModel`): a masked language model.
        args (`StaticAlignmentArguments`): how.
        words ([`~hf_mplm.data.WordVectors`], *optional*): words and their vectors; none are needed with
            `align_weight` 0.
        store ([`~hf_mplm.TokenStore`], *optional*): text, held-out text, and their tokenizer; or give
            `train_dataset`, `eval_dataset` and `processing_class`.
        **kwargs: of [`MaskedLMTrainer`].

    Raises:
        ValueError: when model, words and arguments do not fit each other, such as fewer words a step than dimensions.
    """

    args_class: ClassVar[type[MplmTrainingArguments]] = StaticAlignmentArguments
    collator_class: ClassVar[type | None] = DataCollatorWithWords
    card_template: ClassVar[str] = "align-static"
    paper: ClassVar[dict[str, str]] = {
        "title": "Combining Static and Contextualised Multilingual Embeddings",
        "url": "https://arxiv.org/abs/2203.09326",
        "citation": "@inproceedings{hammerl-etal-2022-combining,\n"
        "  title = {Combining Static and Contextualised Multilingual Embeddings},\n"
        "  author = {H{\\\"a}mmerl, Katharina and Libovick{\\'y}, Jind{\\v{r}}ich and Fraser, Alexander},\n"
        "  booktitle = {Findings of ACL 2022},\n  year = {2022}\n}",
    }
    tags: ClassVar[tuple[str, ...]] = ("hf-mplm", "masked-lm", "multilingual", "static-alignment")

    def __init__(
        self,
        model: PreTrainedModel,
        args: StaticAlignmentArguments,
        words: WordVectors | None = None,
        store: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("data_collator") is not None:
            raise ValueError("the collator puts words beside text, and is made here; leave data_collator out")
        if not isinstance(args, StaticAlignmentArguments):
            raise ValueError(f"StaticAlignmentTrainer needs StaticAlignmentArguments, not {type(args).__name__}")
        if isinstance(without_peft(model), PreTrainedModel):
            masked_only(without_peft(model))
        self._layer = check_settings(model, args, words)
        self._words = words
        self._encoding = RowEncoding(model)
        self._alignment = StaticAlignment(args, args.gradient_accumulation_steps)
        self._is_cached = self._alignment.of_whole_step and args.gradient_accumulation_steps > 1
        self._cached: _Cached | None = None
        self._chances = SumMeter()
        super().__init__(model, args, store=store, **kwargs)

    def collator_arguments(
        self, args: Any, model: PreTrainedModel, processing_class: PreTrainedTokenizerBase | None
    ) -> dict[str, Any]:
        """The collator's tokenizer, mask rate and seed, and the words."""
        found = super().collator_arguments(args, model, processing_class)
        if args.align_weight == 0 or self._words is None or processing_class is None:
            return found
        per_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        words = EncodedWords(
            self._words,
            processing_class,
            seed=found["seed"],
            components=args.components if args.loss == "dcca" else None,
            pool_special_tokens=args.pool_special_tokens,
        )
        check_words(model, args, words)
        pack = ("apart" if self._is_cached else "together") if self._encoding.packs else None
        return {
            **found,
            "words": words,
            "words_per_step": args.words_per_step,
            "draws_per_step": per_step,
            "pack": pack,
            "widest": longest_text(model) if pack else None,
        }

    @property
    def _aligns(self) -> bool:
        return self.data_collator.words is not None

    def card_facts(self) -> dict[str, Any]:
        """The words that were drawn from and their layer, beside what every trainer tells."""
        facts = super().card_facts()
        return {**facts, "words": len(self.data_collator.words), "layer": self._layer} if self._aligns else facts

    # ---- Loss ----

    def loss_terms(
        self, model: torch.nn.Module, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """`mlm`, and `mse`, `dcca` or `subspace`, those that have a weight."""
        text = {name: value for name, value in inputs.items() if not name.startswith(("word_", "packed_"))}
        if self.args.mlm_weight == 0:
            # Predicting nothing costs nothing, and leaves every weight in the graph.
            text["labels"] = torch.full_like(text["labels"], -100)
        states = None
        if self._aligns and self.data_collator.pack == "together":
            rows = word_rows({**inputs, **text}, self.model.config.pad_token_id, with_text=True)
            with self._captured() as captured, self._encoding.attention(rows):
                mean = self._forward(model, self._encoder_inputs(rows, inputs["language"]), counts["labels"])
            states = self._pooled(captured[0], rows)
        else:
            mean = self._forward(model, self._ids.add_to(text), counts["labels"])
        mlm = mean * (self.accelerator.num_processes * self.args.mlm_weight)
        if not self._aligns:
            return {"mlm": mlm}
        terms = self._alignment_terms(states, inputs)
        if self.args.mlm_weight:
            return {"mlm": mlm, **terms}
        return {name: term + mlm for name, term in terms.items()}

    def _alignment_terms(self, states: torch.Tensor | None, inputs: dict[str, Any]) -> dict[str, torch.Tensor]:
        if self._is_cached:
            return self._terms_of_cached(inputs)
        states = self._encode_apart(inputs) if states is None else states
        terms = self._alignment(states, inputs["word_targets"])
        self._note_chance(terms)
        return {self.args.loss: terms[self.args.loss]}

    def _note_chance(self, terms: dict[str, torch.Tensor]) -> None:
        if "dcca_chance" in terms and self.model.training:
            self._chances.add("dcca_chance", terms["dcca_chance"])
            self._chances.add("times", torch.ones_like(terms["dcca_chance"]))

    # ---- Words through the encoder ----

    def _captured(self) -> Any:
        return capture_layer(self.accelerator.unwrap_model(self.model), self._layer)

    @staticmethod
    def _pooled(states: torch.Tensor, rows: WordRows) -> torch.Tensor:
        return segment_means(states, rows.words, rows.num_words)

    def _encoder_inputs(self, rows: WordRows, languages: torch.Tensor) -> dict[str, Any]:
        """What the model is given of text and words: a word has no language, which the LM head alone would see."""
        of_text = rows.segments.clamp(min=0, max=rows.num_texts - 1)
        is_text = (rows.segments >= 0) & (rows.segments < rows.num_texts)
        ids = {
            name: table[of_text].masked_fill(~is_text, -1)
            for name, table in self._ids.add_to({"language": languages}).items()
        }
        return {**self._encoding(rows), **ids, "labels": rows.labels}

    def _encode_apart(self, inputs: dict[str, Any]) -> torch.Tensor:
        """The pooled words by a forward pass of their own, up to their layer. Shapes: (words, hidden)."""
        rows = word_rows(inputs, self.model.config.pad_token_id, with_text=False)
        encoder = self.accelerator.unwrap_model(self.model)
        with truncated_encoder(encoder, self._layer) as lower, self._encoding.attention(rows):
            return self._pooled(lower(**self._encoding(rows), return_dict=True).last_hidden_state, rows)

    # ---- A step in micro-batches ----

    # Overridden because a loss of the whole step has its gradients before the first micro-batch has any.
    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """As Trainer's; before the first of several micro-batches, the gradients of the step's words are computed."""
        if self._aligns and self._is_cached and self._micro_batch(inputs) == 0:
            model.train()
            self._cached = self._cache(int(inputs["draw"][0]))
        return super().training_step(model, inputs, num_items_in_batch)

    def _micro_batch(self, inputs: dict[str, Any]) -> int:
        """Which micro-batch of the step this is, on every process."""
        per_process = self.draws_per_step // self.args.gradient_accumulation_steps
        return int(inputs["draw"][0]) % self.draws_per_step // per_process

    def _cache(self, draw: int) -> _Cached:
        """Encode the words of the step that begins with a draw of text, and take their gradients."""
        size, parts = self._train_batch_size, self.args.gradient_accumulation_steps
        random_states, states, targets = [], [], []
        with torch.no_grad(), self.accelerator.autocast():
            for part in range(parts):
                first = draw + part * self.draws_per_step // parts
                words: Any = self._prepare_inputs(self.data_collator.words_of(first, size))
                device = words["word_input_ids"].device
                random_states.append(RandomState(device, "give --gradient_accumulation_steps 1"))
                states.append(self._encode_apart(words))
                targets.append(words["word_targets"])
        chance = {}

        def loss(leaves: Any) -> dict[str, torch.Tensor]:
            terms = self._alignment(leaves["words"], torch.cat(targets))
            chance.update(terms)
            return {self.args.loss: terms[self.args.loss]}

        terms, gradients = representation_gradients(loss, {"words": torch.cat(states)})
        self._note_chance(chance)
        return _Cached(random_states, gradients["words"].unflatten(0, (parts, -1)), terms)

    def _terms_of_cached(self, inputs: dict[str, Any]) -> dict[str, torch.Tensor]:
        """The step's loss with its first micro-batch, and the gradients of each micro-batch's words with it."""
        assert self._cached is not None
        part = self._micro_batch(inputs)
        with self._cached.random_states[part].replayed():
            states = self._encode_apart(inputs)
        graph = surrogate_loss({"words": states}, {"words": self._cached.gradients[part]})
        value = self._cached.terms[self.args.loss] * (part == 0)
        return {self.args.loss: value + graph - graph.detach()}

    # ---- Targets ----

    def _begin_record(self, checkpoint: Path | None) -> dict[str, Any]:
        """As every run's, and how long targets are: what was measured before the first step, also after a resume."""
        record = super()._begin_record(checkpoint)
        if not self._aligns or self.args.loss != "mse" or self.args.target_scale != "encoder":
            return record
        before = None if checkpoint is None else read_run(checkpoint)
        known = (before or {}).get(_FACTOR)
        self._alignment.target_factor = self._mean_length() if known is None else float(known)
        return {**record, _FACTOR: self._alignment.target_factor}

    @torch.no_grad()
    def _mean_length(self) -> float:
        """The mean length of the encoder's own vectors of the first step's words."""
        collator: Any = self.data_collator
        words: Any = self._prepare_inputs(collator.words_of(0, collator.draws_per_step))
        with preserve_training_state(self.model), self.accelerator.autocast():
            self.model.eval()
            return float(self._encode_apart(words).norm(dim=1).mean())

    # ---- Log ----

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add `dcca_chance`, its mean since the last line, to a line of the training log."""
        if "loss" in logs and self.is_in_train:
            sums = self._chances.drain(self.accelerator)
            if sums:
                logs["dcca_chance"] = sums["dcca_chance"] / sums["times"]
        super().log(logs, start_time)
