"""Script alignment: masked language modelling, sentence contrast and TLM on texts and their romanisations."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.data.batches.columns import row_lengths
from hf_mplm.data.batches.transliteration_collator import STREAMS, DataCollatorForTransliteration
from hf_mplm.losses.gradient_cache import RandomState, representation_gradients, surrogate_loss
from hf_mplm.losses.sequence_contrast import SequenceContrastLoss
from hf_mplm.losses.token_alignment import TokenAlignmentLoss
from hf_mplm.modeling.pooling import capture_layer, default_layer, truncated_encoder, without_peft
from hf_mplm.modeling.stock import masked_only

from ..base.arguments import MplmTrainingArguments
from ..base.meters import SumMeter
from ..masked_lm.token_rows import RowEncoding, longest_text, segment_means
from ..masked_lm.trainer import MaskedLMTrainer
from .arguments import ScriptAlignmentArguments
from .stream_losses import StreamLosses
from .stream_rows import StreamRows, stream_rows


__all__ = ["ScriptAlignmentTrainer", "check_settings"]

logger = logging.getLogger(__name__)

_LATIN = "Latn"


class ScriptAlignmentTrainer(MaskedLMTrainer):
    """Align what an encoder knows across scripts, by sentences and their romanisations (PPA, Xhelili et al. 2024).

    `L = MLM_original + MLM_romanised + SEQ + TLM` (section 3), each with a weight. Both MLM terms, TLM and the pooled
    states of SEQ come out of one forward pass in which nothing is encoded twice; the LM head sees masked positions
    only. MLM terms are means over the masked tokens of an optimizer step, in all micro-batches and processes. SEQ has
    the sentences of a micro-batch on all processes as negatives, and does not depend on their number; with
    `cache_mini_batch_size` a device's whole batch is one.

    The log has `mlm_loss`, `romanized_mlm_loss`, `tlm_loss` and `seq_loss` as they enter the loss, weights included,
    and, since the line before, `cut_pairs` (with texts beyond `max_length`) and `skipped_pairs` (left out of SEQ, as
    one of the two sentences has nothing to pool).

    The model is saved as the stock class of its architecture. A stock XLM-R, BERT or ModernBERT model is given the
    masked-only loss in place, see [`~hf_mplm.modeling.stock.masked_only`].

    ```python
    store = load_pair_store("pairs")
    model = load_masked_lm("cis-lmu/glot500-base")
    trainer = ScriptAlignmentTrainer(model, ScriptAlignmentArguments(output_dir="out", max_steps=1000), store=store)
    trainer.train()
    ```

    Args:
        model (`transformers.PreTrainedModel`): a masked language model.
        args (`ScriptAlignmentArguments`): how.
        store ([`~hf_mplm.PairStore`], *optional*): sentence pairs, held-out pairs, and their
            tokenizer; or give `train_dataset`, `eval_dataset` and `processing_class`.
        **kwargs: of [`MaskedLMTrainer`]; datasets have `input_ids`, `romanized_input_ids` and a `ClassLabel` column
            `language`.

    Raises:
        ValueError: when the rows are no pairs, the store was made by another tokenizer, or the layer does not exist.
    """

    args_class: ClassVar[type[MplmTrainingArguments]] = ScriptAlignmentArguments
    collator_class: ClassVar[type | None] = DataCollatorForTransliteration
    card_template: ClassVar[str] = "align"
    paper: ClassVar[dict[str, str]] = {
        "title": "Breaking the Script Barrier in Multilingual Pre-Trained Language Models with Transliteration-Based "
        "Post-Training Alignment",
        "url": "https://arxiv.org/abs/2406.19759",
        "citation": SequenceContrastLoss().citation,
    }
    tags: ClassVar[tuple[str, ...]] = ("hf-mplm", "masked-lm", "multilingual", "script-alignment")

    def __init__(
        self, model: PreTrainedModel, args: ScriptAlignmentArguments, store: Any = None, **kwargs: Any
    ) -> None:
        rows = kwargs.get("train_dataset") or (None if store is None else store.train)
        if rows is not None:
            _check_pairs(rows)
        if isinstance(without_peft(model), PreTrainedModel):
            masked_only(without_peft(model))
        self._encoding = RowEncoding(model)
        super().__init__(model, args, store=store, **kwargs)
        self._layer = check_settings(model, args)
        self._contrast = SequenceContrastLoss(args.temperature, args.similarity, gather=args.gather_negatives)
        self._words = TokenAlignmentLoss(args.token_temperature)
        self._counted = SumMeter()
        self._weights = {"mlm": args.mlm_weight, "romanized_mlm": args.romanized_mlm_weight, "tlm": args.tlm_weight}
        self._losses = StreamLosses(self._forward, self._ids, list(self._weights.values()))

    def collator_arguments(
        self, args: Any, model: PreTrainedModel, processing_class: PreTrainedTokenizerBase | None
    ) -> dict[str, Any]:
        """The collator's tokenizer, mask rate and seed, and which texts it makes."""
        check_settings(model, args)
        return {
            **super().collator_arguments(args, model, processing_class),
            "max_length": args.max_length or min(512, longest_text(model)),
            "tlm": args.tlm_weight > 0,
            "pack": args.pack_texts and self._encoding.packs,
            "align_words": args.token_weight > 0,
        }

    def row_lengths(self) -> np.ndarray:
        """Both texts of each pair together. Shape: (pairs,)."""
        return row_lengths(self.train_dataset) + row_lengths(self.train_dataset, "romanized_input_ids")

    # ---- Loss ----

    def loss_terms(
        self, model: torch.nn.Module, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """`mlm`, `romanized_mlm`, `tlm`, `seq` and `token`, those that have a weight."""
        if "piece" in inputs:
            return self._terms_of_piece(model, inputs, counts)
        rows = self._rows(inputs)
        self._count_pairs(inputs, rows)
        with self._captured() as states:
            terms, graph = self._masked_terms(model, rows, inputs["language"], counts)
        if self._aligns:
            representations = self._representations(states[0], rows, inputs)
            terms |= self._alignment_terms(representations, inputs, counts)
        return _carry(terms, graph)

    @property
    def _aligns(self) -> bool:
        return _aligns(self.args)

    def card_facts(self) -> dict[str, Any]:
        """The layer that is pooled, beside what every trainer tells."""
        return {**super().card_facts(), **({"layer": self._layer} if self._aligns else {})}

    def _captured(self) -> Any:
        if not self._aligns:
            return contextlib.nullcontext([])
        return capture_layer(self.accelerator.unwrap_model(self.model), self._layer)

    def _rows(self, inputs: dict[str, Any]) -> StreamRows:
        streams = [name for name in STREAMS if f"{name}_input_ids" in inputs]
        unpredicted = [name for name, weight in zip(STREAMS, self._weights.values()) if not weight]
        return stream_rows(inputs, streams, self.model.config.pad_token_id, unpredicted)

    def _masked_terms(
        self,
        model: torch.nn.Module,
        rows: StreamRows,
        languages: torch.Tensor,
        counts: dict[str, torch.Tensor],
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """The terms without a graph, and their sum with one: the head makes all of them in one product."""
        scales = [
            weight * self.accelerator.num_processes / counts[f"{name}_labels"].clamp(min=1)
            for name, weight in zip(STREAMS, self._weights.values())
            if f"{name}_labels" in counts
        ]
        with self._encoding.attention(rows):
            total, parts = self._losses(model, self._encoding(rows), rows, languages, torch.stack(scales))
        terms = {name: part for (name, weight), part in zip(self._weights.items(), parts) if weight}
        return terms, total

    def _representations(
        self, states: torch.Tensor, rows: StreamRows, inputs: dict[str, Any]
    ) -> dict[str, torch.Tensor]:
        """Vectors of sentences, Shapes: (2 * pairs, hidden), and of words, Shapes: (2 * words, hidden)."""
        found = {"sentences": segment_means(states, rows.sentences, 2 * rows.batch_size)}
        if rows.words is not None:
            found["words"] = segment_means(states, rows.words, 2 * len(inputs["word_labels"]))
        return found

    def _alignment_means(
        self, representations: Any, inputs: dict[str, Any], contrast: SequenceContrastLoss
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Each term's weighted mean over this batch, and how many pairs or words it is the mean of. Shapes: ()."""
        means = {}
        if self.args.seq_weight:
            source, romanized = representations["sentences"].chunk(2)
            valid = _poolable(inputs)
            means["seq"] = (contrast(source, romanized, valid).loss * self.args.seq_weight, valid.sum())
        if self.args.token_weight:
            source, romanized = representations["words"].chunk(2)
            words = inputs["word_labels"]
            means["token"] = (self._words(source, romanized, words) * self.args.token_weight, words.ge(0).sum())
        return means

    def _alignment_terms(
        self, representations: Any, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        terms = {}
        for name, (mean, number) in self._alignment_means(representations, inputs, self._contrast).items():
            if name == "token":
                # Words look for each other within a sentence, so that their mean is exact over the whole step.
                terms[name] = self.per_item(mean * number, counts["word_labels"])
            else:
                # The negatives are those of a micro-batch: the step's is the mean over its micro-batches.
                terms[name] = mean / self.current_gradient_accumulation_steps
        return terms

    # ---- Gradient cache ----

    # Overridden because the gradient cache takes several passes for one micro-batch, each of which is Trainer's own.
    def training_step(
        self, model: torch.nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """As Trainer's; with `cache_mini_batch_size` in pieces, whose gradients add up to those of the whole."""
        size = self.args.cache_mini_batch_size
        if size is None or not self._aligns:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        rows = self._rows(inputs)
        self._count_pairs(inputs, rows)
        pieces = rows.pieces(-(-rows.batch_size // size))
        states, representations = self._encode_without_graph(pieces, inputs)
        counts = self.step_counts(inputs, num_items_in_batch)
        terms, gradients = representation_gradients(
            lambda leaves: self._alignment_terms(leaves, inputs, counts), representations
        )
        aligned = torch.stack(list(terms.values())).sum()
        self._guard.note(aligned, inputs.get("language"))
        self._window.note(terms, {})
        total = aligned
        for number, (piece, state) in enumerate(zip(pieces, states)):
            # Gradients of processes meet once a micro-batch, with the last piece.
            is_last = number == len(pieces) - 1
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(model), state.replayed():
                batch = {**inputs, "piece": piece, "gradients": gradients}
                if number:
                    batch = {name: value for name, value in batch.items() if not name.endswith("attention_mask")}
                total = total + super().training_step(model, batch, num_items_in_batch)
        return total

    def _encode_without_graph(
        self, pieces: list[StreamRows], inputs: dict[str, Any]
    ) -> tuple[list[RandomState], dict[str, torch.Tensor]]:
        """The representations of all pieces, and the random state before each."""
        states: list[RandomState] = []
        found: dict[str, torch.Tensor] = {}
        encoder = self.accelerator.unwrap_model(self.model)
        with torch.no_grad(), self.accelerator.autocast(), truncated_encoder(encoder, self._layer) as lower:
            for piece in pieces:
                states.append(RandomState(piece.input_ids.device, "leave --cache_mini_batch_size out"))
                with self._encoding.attention(piece):
                    hidden = lower(**self._encoding(piece), return_dict=True).last_hidden_state
                for name, vectors in self._representations(hidden, piece, inputs).items():
                    # Every text is in one piece, and zero in the others.
                    found[name] = found[name] + vectors if name in found else vectors
        return states, found

    def _terms_of_piece(
        self, model: torch.nn.Module, inputs: dict[str, Any], counts: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        piece = inputs["piece"]
        with self._captured() as states:
            terms, graph = self._masked_terms(model, piece, inputs["language"], counts)
        representations = self._representations(states[0], piece, inputs)
        aligning = "seq" if self.args.seq_weight else "token"
        return _carry(terms, graph + surrogate_loss(representations, inputs["gradients"]), aligning)

    # ---- Held-out loss ----

    def held_out_sums(
        self, model: torch.nn.Module, inputs: dict[str, Any]
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Each term's weighted sum and count; negatives of SEQ are the other sentences of the batch's language."""
        rows = self._rows(inputs)
        keys = [f"{name}_labels" for name in STREAMS if f"{name}_labels" in inputs]
        counts = [inputs[key].ne(-100).sum() for key in keys]
        weights = [*self._weights.values()][: len(keys)]
        scales = torch.tensor(weights, dtype=torch.float32, device=rows.input_ids.device)
        with self._captured() as states, self._encoding.attention(rows):
            _, parts = self._losses(model, self._encoding(rows), rows, inputs["language"], scales)
        sums = {
            name: (part, count) for (name, weight), part, count in zip(self._weights.items(), parts, counts) if weight
        }
        if self._aligns:
            # Ranks have different numbers of batches, so that nothing can be gathered.
            alone = SequenceContrastLoss(self.args.temperature, self.args.similarity, gather=False)
            means = self._alignment_means(self._representations(states[0], rows, inputs), inputs, alone)
            sums |= {name: (mean * number, number) for name, (mean, number) in means.items()}
        return sums

    # ---- Log ----

    def _count_pairs(self, inputs: dict[str, Any], rows: StreamRows) -> None:
        if self.model.training:
            self._counted.add("cut_pairs", inputs["cut"].gt(0).sum())
            self._counted.add("skipped_pairs", (~_poolable(inputs)).sum())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add `cut_pairs` and `skipped_pairs` since the last line to a line of the training log."""
        if "loss" in logs and self.is_in_train:
            logs.update(self._counted.drain(self.accelerator))
        super().log(logs, start_time)


def check_settings(model: PreTrainedModel, args: ScriptAlignmentArguments) -> int:
    """Make sure that a model has the layer and the positions that are asked for.

    Args:
        model (`PreTrainedModel`): what is to be trained.
        args (`ScriptAlignmentArguments`): how.

    Returns:
        `int`: the layer that sentences and words are pooled at.

    Raises:
        ValueError: if there is no such layer, or texts of `max_length` are too long.
    """
    longest = longest_text(model)
    if args.max_length is not None and args.max_length > longest:
        raise ValueError(
            f"max_length is {args.max_length}, and the model has positions for {longest} tokens; give {longest} "
            "or less, or leave it out"
        )
    layer = default_layer(model.config.num_hidden_layers) if args.layer is None else args.layer
    if _aligns(args):
        with capture_layer(model, layer):
            pass  # says so at once if there is no such layer
    return layer


def _aligns(args: ScriptAlignmentArguments) -> bool:
    return args.seq_weight > 0 or args.token_weight > 0


def _carry(terms: dict[str, torch.Tensor], graph: torch.Tensor, otherwise: str = "seq") -> dict[str, torch.Tensor]:
    """The terms, one of which (`otherwise` where there is none) has the gradient of `graph`, not its value, added."""
    first = next(iter(terms), otherwise)
    return {**terms, first: terms.get(first, torch.zeros_like(graph.detach())) + (graph - graph.detach())}


def _poolable(inputs: dict[str, Any]) -> torch.Tensor:
    """Pairs both of whose sentences have something to pool. Shapes: (pairs,)."""
    return (inputs["source_pool_mask"].sum(1) > 0) & (inputs["romanized_pool_mask"].sum(1) > 0)


def _check_pairs(rows: Any) -> None:
    missing = [name for name in ("input_ids", "romanized_input_ids") if name not in rows.column_names]
    if missing:
        raise ValueError(
            f"the rows have no column {' and no '.join(missing)}, but {', '.join(rows.column_names)}: script "
            "alignment is trained on sentence pairs, which `hf-mplm prepare --romanize` writes"
        )
    codes = list(getattr(rows.features.get("language"), "names", None) or [])
    if len(codes) == 1:
        logger.warning(
            "all pairs are %s: one language is aligned with its own romanisation, and with no other", codes[0]
        )
    if codes and all(code.endswith(f"_{_LATIN}") for code in codes):
        logger.warning("all languages are written in Latin script already, so that pairs are nearly the same twice")
