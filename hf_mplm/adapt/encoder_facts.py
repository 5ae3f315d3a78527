"""What is to be known of the encoder that is adapted, before anything long begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from hf_mplm.data.tokenizing.backend import backend_state
from hf_mplm.data.tokenizing.encoding import EncoderSpec, encode_sentences, unknown_characters
from hf_mplm.languages import is_head
from hf_mplm.modeling.architectures import find_architecture, known_types
from hf_mplm.modeling.stock import load_masked_lm


__all__ = ["EncoderFacts", "Fertility", "describe_encoder", "fertility"]


class EncoderFacts(NamedTuple):
    """An encoder in numbers.

    Attributes:
        model_type (`str`): its architecture.
        tokenizer_kind (`str`): `Unigram`, `WordPiece`, `BPE`, or `other` for one that cannot be extended.
        entries (`int`): of its tokenizer.
        rows (`int`): of its embeddings.
        hidden_size (`int`): width.
        parameters (`int`): in all.
        embedding_parameters (`int`): of these in embeddings and decoder.
        tied (`bool`): whether the decoder is the embeddings.
        languages (`tuple[str, ...]`): languages of which it has LangSAMP's embeddings, ISO 639-3.
    """

    model_type: str
    tokenizer_kind: str
    entries: int
    rows: int
    hidden_size: int
    parameters: int
    embedding_parameters: int
    tied: bool
    languages: tuple[str, ...]

    def knows(self, code: str) -> bool:
        """Whether the encoder was pretrained on a language, as far as that can be told without its training data:
        LangSAMP's embeddings say so, and for others the 100 languages of XLM-R's pretraining, on which most were.

        Args:
            code (`str`): such as `swh_Latn`.
        """
        return code.partition("_")[0] in self.languages if self.languages else is_head(code)


class Fertility(NamedTuple):
    """How a tokenizer cuts a text.

    Attributes:
        per_word (`float`): tokens for a word, as white space sets words apart.
        per_character (`float`): tokens for a character, white space aside.
        unknown (`float`): share of the characters that the tokenizer does not know.
    """

    per_word: float
    per_character: float
    unknown: float


def describe_encoder(
    model: str | Path, tokenizer: PreTrainedTokenizerBase, *, new_lm_head: bool, trust_remote_code: bool
) -> EncoderFacts:
    """Load the encoder, which tells at once what would be refused later, and describe it.

    Args:
        model (`str` or `Path`): a folder or a Hub id.
        tokenizer (`PreTrainedTokenizerBase`): its tokenizer.
        new_lm_head (`bool`): whether it was saved without its LM head, which is to be made.
        trust_remote_code (`bool`): whether code that comes with it may run.

    Raises:
        ValueError: if the architecture is another one, or the LM head is missing.
    """
    loaded: Any = load_masked_lm(model, new_head=new_lm_head, trust_remote_code=trust_remote_code)
    if find_architecture(loaded.config.model_type) is None:
        raise ValueError(f"{model} is a {loaded.config.model_type} checkpoint; adapted are {known_types()}")
    try:
        kind = backend_state(tokenizer)["model"]["type"]
    except ValueError:
        kind = "other"
    embedding, decoder = loaded.get_input_embeddings(), loaded.get_output_embeddings()
    tied = decoder.weight is embedding.weight
    return EncoderFacts(
        model_type=loaded.config.model_type,
        tokenizer_kind=kind,
        entries=len(tokenizer),
        rows=len(embedding.weight),
        hidden_size=loaded.config.hidden_size,
        parameters=sum(parameter.numel() for parameter in loaded.parameters()),
        embedding_parameters=embedding.weight.numel() * (1 if tied else 2),
        tied=tied,
        languages=tuple(loaded.config.to_dict().get("languages") or ()),
    )


def fertility(spec: EncoderSpec, texts: Sequence[str]) -> Fertility:
    """Cut sentences, and count.

    Args:
        spec ([`~hf_mplm.data.tokenizing.encoding.EncoderSpec`]): of the tokenizer.
        texts (`Sequence[str]`): at least one.
    """
    _, lengths, _ = encode_sentences(spec, texts)
    around = len(spec.prefix) + len(spec.suffix)
    tokens = int(lengths.sum()) - around * int((lengths > 0).sum())
    words = [word for text in texts for word in text.split()]
    characters = max(1, sum(map(len, words)))
    return Fertility(tokens / max(1, len(words)), tokens / characters, unknown_characters(spec, texts) / characters)
