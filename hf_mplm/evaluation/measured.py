"""The model of a run: its name, its fingerprint, and how its sentences become vectors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from hf_mplm.modeling.pooling import default_layer
from hf_mplm.modeling.reading import load_config

from .encoder import Encoder, TransformerEncoder, encode_in, needs_language
from .loading import load_model, load_tokenizer, model_revision
from .results import NOT_APPLICABLE
from .sentence_modules import SentenceModules, read_sentence_modules
from .settings import EncodingSettings, LoadingSettings
from .vocabulary import Vocabulary, is_static_folder


__all__ = ["MeasuredModel", "describe_model", "load_encoder"]

logger = logging.getLogger(__name__)

POOLINGS = ("auto", "mean", "own")


@dataclass
class MeasuredModel:
    """What is measured.

    Args:
        name (`str`): Hub id or path, or what an encoder is called.
        revision (`str`): Its commit or fingerprint.
        layer (`int`): The layer that is pooled.
        make_encoder (`Callable[[], Encoder]`): Loads the encoder.
        encoding (`Mapping[str, Any]`): What else its vectors depend on, as JSON can hold it.
        source (`str`, *optional*): Hub id or folder to load models for fine-tuning from; `None` where only an encoder
            was given.
        loading (`LoadingSettings`): How they are loaded.
        subfolder (`str`, *optional*, defaults to `""`): The folder of the encoder within it.
        languages (`tuple[str, ...]`, *optional*): The languages that it knows, where it knows no others.
        vocabulary (`Vocabulary`, *optional*): Its words, where it has vectors of words.
    """

    name: str
    revision: str
    layer: int
    make_encoder: Callable[[], Encoder]
    encoding: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    loading: LoadingSettings = field(default_factory=LoadingSettings)
    subfolder: str = ""
    languages: tuple[str, ...] | None = None
    vocabulary: Vocabulary | None = None

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded when it is first needed."""
        return self.make_encoder()

    def load(self, auto_class: Any = AutoModel, labels: Sequence[str] | None = None) -> PreTrainedModel:
        """Load the checkpoint, with a new head where the auto class has one.

        Args:
            auto_class (*optional*, defaults to `AutoModel`): The auto class to load with.
            labels (`Sequence[str]`, *optional*): The names of the head's outputs, in order.

        Returns:
            `PreTrainedModel`: The model in float32.
        """
        head: dict[str, Any] = {}
        if labels is not None:
            head["id2label"] = dict(enumerate(labels))
            head["label2id"] = {label: index for index, label in enumerate(labels)}
        return load_model(self._source(), auto_class, **self._how(), **head)

    def load_tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer that stands beside the checkpoint."""
        return load_tokenizer(self._source(), **self._how())

    def _source(self) -> str:
        if self.source is None:
            raise ValueError(f"{self.name} is an encoder; fine-tuning takes a Hub id or a folder")
        return self.source

    def _how(self) -> dict[str, Any]:
        return {
            "revision": self.loading.revision,
            "trust_remote_code": self.loading.trust_remote_code,
            "subfolder": self.subfolder,
        }


class _Prompted:
    """An encoder of the user's, with a prompt before each sentence."""

    def __init__(self, encoder: Encoder, prompt: str) -> None:
        self.name, self.revision, self.layer = encoder.name, encoder.revision, encoder.layer
        self.encoder, self.prompt, self.needs_language = encoder, prompt, needs_language(encoder)

    def encode(self, texts: Sequence[str], *, progress: bool = False, language: str | None = None) -> np.ndarray:
        return encode_in(self.encoder, [self.prompt + text for text in texts], language or "", progress=progress)


def describe_model(model: str | Path | Encoder, encoding: EncodingSettings, loading: LoadingSettings) -> MeasuredModel:
    """Find out what is measured, without loading weights.

    Args:
        model (`str`, `Path` or `Encoder`): Hub id or folder, or an encoder.
        encoding (`EncodingSettings`): How a sentence becomes a vector.
        loading (`LoadingSettings`): How the model is loaded.

    Returns:
        `MeasuredModel`: The model.

    Raises:
        ValueError: If settings do not go together, or with this model.
        DamagedError: If one of its files is not what its name promises.
    """
    if encoding.pooling not in POOLINGS:
        raise ValueError(f"pooling {encoding.pooling!r} is not known; choose of {', '.join(POOLINGS)}")
    if encoding.prompt is not None and encoding.prompt_name is not None:
        raise ValueError("give a prompt or the name of one of the model's own, not both: --prompt or --prompt_name")
    if not isinstance(model, (str, Path)):
        return _describe_encoder(model, encoding)
    if is_static_folder(model):
        raise ValueError(
            f"{model} holds static embeddings, which are handed over as an encoder: "
            f"evaluate(StaticEmbeddings.from_pretrained({str(model)!r}), ...), or hf-mplm evaluate --model {model}"
        )
    how: dict[str, Any] = {"revision": loading.revision, "trust_remote_code": loading.trust_remote_code}
    modules = (
        None if encoding.pooling == "mean" and encoding.prompt_name is None else _modules(model, encoding, loading)
    )
    subfolder = modules.encoder if modules is not None else ""
    config = load_config(model, subfolder=subfolder, **how)
    depth = int(config.num_hidden_layers)
    own = _own(model, modules, encoding, depth)
    layer = encoding.layer
    if layer is None:
        layer = default_layer(depth) if own is None else own.layer_of(depth)
    prompt = _prompt(model, modules, own, encoding)
    revision = model_revision(model, subfolder=subfolder, **how)
    if not Path(model).is_dir():
        # What is loaded later is what was looked at now, wherever its branch is by then.
        loading = replace(loading, revision=revision)

    def make_encoder() -> Encoder:
        return TransformerEncoder.from_pretrained(
            model,
            hub_revision=loading.revision,
            trust_remote_code=loading.trust_remote_code,
            subfolder=subfolder,
            modules=own,
            layer=layer,
            special_tokens=encoding.special_tokens,
            prompt=prompt,
            tokens_per_batch=encoding.tokens_per_batch,
            revision=revision,
        )

    if own is not None:
        logger.info(
            "%s is pooled as its modules.json says (%s, layer %d, prompt %r); --pooling mean takes a layer's mean",
            model,
            own.describe(),
            layer,
            prompt,
        )
    return MeasuredModel(
        name=str(model),
        revision=revision,
        layer=layer,
        make_encoder=make_encoder,
        encoding=_encoding(encoding.special_tokens, prompt, own),
        source=str(model),
        loading=loading,
        subfolder=subfolder,
    )


def load_encoder(
    model: str | Path,
    *,
    layer: int | None = None,
    prompt: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Encoder:
    """Load what makes vectors of sentences, as [`evaluate`] measures it.

    Args:
        model (`str` or `Path`): Hub id or folder of an encoder or a sentence-transformers model.
        layer (`int`, *optional*): Layer to pool, by default two thirds of the depth; a sentence-transformers model
            pools as its modules say.
        prompt (`str`, *optional*): Put before every sentence.
        revision (`str`, *optional*): Commit, tag or branch on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code that comes with it may run.

    Returns:
        `Encoder`: In float32, on an accelerator if there is one.

    Raises:
        ValueError: If there is no such layer, or the folder holds something else.
        DamagedError: If it cannot be read.

    Example:

    ```python
    vectors = hf_mplm.load_encoder("encoder").encode(["Habari ya dunia", "Hello world"])
    ```
    """
    encoding = EncodingSettings(layer=layer, prompt=prompt)
    loading = LoadingSettings(revision=revision, trust_remote_code=trust_remote_code)
    return describe_model(model, encoding, loading).encoder


def _describe_encoder(encoder: Encoder, encoding: EncodingSettings) -> MeasuredModel:
    if encoding.layer is not None and encoder.layer == NOT_APPLICABLE:
        raise ValueError(f"{encoder.name} has no layers to choose of; leave --layer {encoding.layer} out")
    if encoding.layer is not None and encoding.layer != encoder.layer:
        raise ValueError(f"the encoder pools layer {encoder.layer}; make it with layer={encoding.layer} instead")
    if encoding.prompt_name is not None or encoding.pooling == "own":
        raise ValueError("an encoder pools as it was made; prompt_name and pooling go with a Hub id or a folder")
    own_prompt = getattr(encoder, "prompt", "")
    if encoding.prompt is not None and own_prompt and encoding.prompt != own_prompt:
        raise ValueError(f"the encoder was made with prompt={own_prompt!r}; make it with {encoding.prompt!r} instead")
    prompt = own_prompt or encoding.prompt or ""
    chosen = encoder if prompt == own_prompt else _Prompted(encoder, prompt)
    said = (
        _encoding(encoder.special_tokens, prompt, encoder.modules)
        if isinstance(encoder, TransformerEncoder)
        else {"prompt": prompt}
    )
    layer = int(getattr(encoder, "layer", NOT_APPLICABLE))
    return MeasuredModel(
        encoder.name,
        encoder.revision,
        layer,
        lambda: chosen,
        said,
        languages=tuple(getattr(encoder, "languages", ())) if needs_language(encoder) else None,
        vocabulary=encoder if isinstance(encoder, Vocabulary) else None,
    )


def _modules(model: str | Path, encoding: EncodingSettings, loading: LoadingSettings) -> SentenceModules | None:
    try:
        return read_sentence_modules(model, loading.revision)
    except ValueError:
        # Where the mean of a layer is asked for, what else stands there does not matter.
        if encoding.prompt_name is None and (
            encoding.pooling == "mean" or (encoding.pooling == "auto" and encoding.layer is not None)
        ):
            return None
        raise


def _own(
    model: str | Path, modules: SentenceModules | None, encoding: EncodingSettings, depth: int
) -> SentenceModules | None:
    if encoding.pooling == "mean" or (encoding.pooling == "auto" and (modules is None or encoding.layer is not None)):
        return None
    if modules is None:
        raise ValueError(f"{model} has no modules.json of sentence-transformers to pool by; leave --pooling own out")
    if encoding.layer not in (None, modules.layer_of(depth)):
        raise ValueError(
            f"{model} pools layer {modules.layer_of(depth)} by its modules.json; leave --layer {encoding.layer} out"
        )
    if not encoding.special_tokens:
        raise ValueError(
            f"{model} has a pooling of its own (modules.json), in which special tokens count; give --pooling mean too"
        )
    return modules


def _prompt(
    model: str | Path, modules: SentenceModules | None, own: SentenceModules | None, encoding: EncodingSettings
) -> str:
    if encoding.prompt is not None:
        return encoding.prompt
    if encoding.prompt_name is not None:
        prompts = modules.prompts if modules is not None else {}
        if encoding.prompt_name not in prompts:
            raise ValueError(
                f"{model} has no prompt named {encoding.prompt_name!r}; it has {', '.join(prompts) or 'none'}. "
                "Write it out with --prompt"
            )
        return prompts[encoding.prompt_name]
    return own.default_prompt if own is not None else ""


def _encoding(special_tokens: bool, prompt: str, own: SentenceModules | None) -> dict[str, Any]:
    return {"special_tokens": special_tokens, "prompt": prompt, "pooling": own.describe() if own else "mean"}
