"""Whether model, words and arguments fit each other."""

from __future__ import annotations

import logging

from transformers import PreTrainedModel

from hf_mplm.data.word_vectors import WordVectors
from hf_mplm.modeling.pooling import capture_layer

from .arguments import StaticAlignmentArguments
from .words import EncodedWords


__all__ = ["check_settings", "check_words"]

logger = logging.getLogger(__name__)


def check_settings(model: PreTrainedModel, args: StaticAlignmentArguments, words: WordVectors | None) -> int:
    """Make sure that a model, its words and the arguments fit each other.

    Args:
        model (`transformers.PreTrainedModel`): what is to be trained.
        args (`StaticAlignmentArguments`): how.
        words (`WordVectors`, *optional*): with what.

    Returns:
        `int`: the layer that words are pooled at.

    Raises:
        ValueError: if they do not.
    """
    depth = model.config.num_hidden_layers
    layer = depth if args.layer is None else args.layer
    if args.align_weight == 0:
        return layer
    if words is None:
        raise ValueError(
            "there are no words to align with: pass words=StaticEmbeddings.from_pretrained(...).word_vectors(), on "
            "the command line --static FOLDER; masked LM alone is align_weight 0"
        )
    with capture_layer(model, layer):
        pass  # says so at once if there is no such layer
    hidden = model.config.hidden_size
    if args.loss == "mse" and words.dimension != hidden:
        raise ValueError(
            f"mse compares number by number, and the words' vectors have {words.dimension} dimensions, the encoder "
            f"{hidden}; give vectors of {hidden} dimensions, or --loss dcca, which takes any"
        )
    if args.loss == "dcca":
        components = min(args.components, words.dimension)
        need = f"--words_per_step {hidden + components}"
        _refuse_few(args.words_per_step, hidden, components, need)
    if len(words.languages) == 1:
        logger.warning(
            "all words are %s: an encoder is aligned across languages by words of several", words.languages[0]
        )
    return layer


def check_words(model: PreTrainedModel, args: StaticAlignmentArguments, words: EncodedWords) -> None:
    """Make sure that there are enough words to draw from, however many a step draws.

    Args:
        model (`transformers.PreTrainedModel`): what is to be trained.
        args (`StaticAlignmentArguments`): how.
        words (`EncodedWords`): with what; words that the encoder cannot read, or without a vector, are not among them.

    Raises:
        ValueError: if there are not.
    """
    if args.loss == "dcca":
        hidden = model.config.hidden_size
        need = f"the vectors of {hidden + words.dimension} words"
        _refuse_few(len(words), hidden, words.dimension, need)


def _refuse_few(number: int, hidden: int, components: int, need: str) -> None:
    if number < hidden + components:
        raise ValueError(
            f"{number} words correlate whatever they are, with {hidden} dimensions of the encoder and {components} of "
            f"the vectors: give {need} or more, better twice that, or fewer --components"
        )
