"""Language and script embeddings between an encoder and its LM head (LangSAMP), over any of the architectures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from .configuration_langscript import listed, split_codes
from .language_embeddings import LangScriptEmbedding, embed_ids
from .masked_only_lm import MaskedOnlyLM, MaskedOnlyOutput
from .remote_code import RemoteCode, copy_tokenizer, follow_umask, package_module


__all__ = ["LangScriptLM"]

# Settings of a checkpoint's configuration that say where it came from, and nothing about the model.
PROVENANCE = (
    "_attn_implementation",
    "_commit_hash",
    "_name_or_path",
    "architectures",
    "auto_map",
    "dtype",
    "model_type",
    "torch_dtype",
    "transformers_version",
)


class LangScriptLM(RemoteCode, MaskedOnlyLM):
    """A masked-LM model that adds language and script embeddings to the encoder's output, before the LM head.

    o = h + E_language + E_script (LangSAMP, section 3.2). The tables take what is particular to a language
    off the encoder, which therefore is used without them: they belong to this class and not to the encoder, and
    `AutoModel` and the task classes load the same checkpoint and take no ids.
    """

    # The architecture's configuration and its classes in transformers, set by the class of each architecture.
    config_class: Any
    stock_config_class: ClassVar[Any]
    stock_encoder_class: ClassVar[Any]
    language_embeddings: LangScriptEmbedding | None
    script_embeddings: LangScriptEmbedding | None

    def _add_tables(self) -> None:
        """Make the tables that the configuration asks for; called at the end of `__init__`."""
        config = self.config
        width = config.hidden_size
        languages, scripts = len(config.languages), len(config.scripts)
        on = config.use_language_embeddings and languages > 0
        self.language_embeddings = LangScriptEmbedding(languages, width) if on else None
        on = config.use_script_embeddings and scripts > 0
        self.script_embeddings = LangScriptEmbedding(scripts, width) if on else None
        self._ids_when_none: tuple[int, int] | None = None

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LangScriptEmbedding):
            module.reset_parameters()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        return_logits: bool = False,
        return_dict: bool | None = None,
        language_ids: torch.Tensor | None = None,
        script_ids: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> MaskedOnlyOutput | tuple:
        """Predict masked tokens.

        Args:
            input_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            attention_mask (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            token_type_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            position_ids (`torch.Tensor`, *optional*): Shapes: (batch, sequence).
            inputs_embeds (`torch.Tensor`, *optional*): in place of `input_ids`. Shapes: (batch, sequence, hidden).
            labels (`torch.Tensor`, *optional*): Shapes: (batch, sequence), -100 where nothing is to be predicted.
            num_items_in_batch (`torch.Tensor` or `int`, *optional*):
                What the summed loss is divided by; by default this batch's masked tokens.
            return_logits (`bool`, *optional*, defaults to `False`): logits of every position even with labels.
            return_dict (`bool`, *optional*): `False` for a tuple.
            language_ids (`torch.Tensor`, *optional*):
                Shapes: (batch,) or (batch, sequence). -1 adds nothing; without them nothing is added, or what
                [`set_language`] says.
            script_ids (`torch.Tensor`, *optional*): likewise.
            **kwargs: of the encoder, such as `output_hidden_states`.

        Returns:
            [`MaskedOnlyOutput`]: with labels `loss` and `loss_components`, without them `logits`.

        Raises:
            ValueError: if an id lies beyond its table or the ids' shape does not fit.
        """
        return self._masked_lm(
            {
                "input_ids": input_ids,
                "attention_mask": attention_mask,
                "token_type_ids": token_type_ids,
                "position_ids": position_ids,
                "inputs_embeds": inputs_embeds,
                **kwargs,
            },
            labels,
            num_items_in_batch,
            return_logits,
            return_dict,
            addend=lambda shape, positions: self._addend(shape, positions, language_ids, script_ids),
        )

    def _addend(
        self,
        shape: torch.Size,
        positions: torch.Tensor | None,
        language_ids: torch.Tensor | None,
        script_ids: torch.Tensor | None,
    ) -> torch.Tensor | None:
        language_default, script_default = self._ids_when_none or (-1, -1)
        language = embed_ids("language", self.language_embeddings, language_ids, language_default, shape, positions)
        script = embed_ids("script", self.script_embeddings, script_ids, script_default, shape, positions)
        if language is None or script is None:
            return script if language is None else language
        return language + script

    def language_ids_of(self, code: str) -> tuple[int, int]:
        """The ids of a language-script.

        Args:
            code (`str`): `tha_Thai`.

        Returns:
            `tuple[int, int]`: language id and script id.

        Raises:
            ValueError: if the model does not know the language or the script.
        """
        (language, *_), scripts = split_codes([code])
        if not scripts:
            raise ValueError(f"{code!r} names no script; write it as swh_Latn")
        return (
            _position(self.config.languages, language, "language", code),
            _position(self.config.scripts, scripts[0], "script", code),
        )

    def set_language(self, code: str | None) -> None:
        """Choose the language-script whose embeddings are added when a call passes no ids, as pipelines do not.

        It is not saved with the model.

        Args:
            code (`str` or `None`): `tha_Thai`; `None` adds nothing again.
        """
        self._ids_when_none = None if code is None else self.language_ids_of(code)

    def add_languages(self, codes: str | Iterable[str]) -> None:
        """Grow the tables by the languages and scripts that are missing; nothing else changes.

        Call it before the optimizer is made, which would not know the grown tables.

        Args:
            codes (`str` or `Iterable[str]`): language-script codes like `xyz_Thai`; `xyz` where the script is known
                anyway.
        """
        codes = list(listed(codes))
        languages, scripts = split_codes(codes)
        config = self.config
        config.language_scripts = list(
            dict.fromkeys([*config.language_scripts, *(code for code in codes if "_" in code)])
        )
        config.languages = list(dict.fromkeys([*config.languages, *languages]))
        config.scripts = list(dict.fromkeys([*config.scripts, *scripts]))
        like = self.get_input_embeddings().weight
        for name, on, size in (
            ("language_embeddings", config.use_language_embeddings, len(config.languages)),
            ("script_embeddings", config.use_script_embeddings, len(config.scripts)),
        ):
            table = getattr(self, name)
            if not on or size == 0:
                continue
            if table is None:
                table = LangScriptEmbedding(size, config.hidden_size, device=like.device, dtype=like.dtype)
                setattr(self, name, table)
            elif size > table.num_embeddings:
                table.grow(size)

    def nearest_languages(self, code: str, among: str | Sequence[str] | None = None) -> list[tuple[str, float]]:
        """Other languages by the cosine of their embeddings, nearest first (LangSAMP, section 5.4: donor languages).

        Args:
            code (`str`): `tha_Thai` or `tha`; the script plays no part.
            among (`str` or `Sequence[str]`, *optional*): the codes to choose from; by default every language
                of the model, in the script that it was first given in.

        Returns:
            `list[tuple[str, float]]`: codes as they were given, such as `pes_Arab`, without the language itself, and
                cosines.

        Raises:
            ValueError: if a language is unknown, or the model has no language embeddings.
        """
        if self.language_embeddings is None:
            raise ValueError("this model has no language embeddings: config.use_language_embeddings is False")
        known = self.config.languages
        itself = _position(known, code.partition("_")[0], "language", code)
        others = {
            other: position
            for other in (self._known_codes() if among is None else listed(among))
            if (position := _position(known, other.partition("_")[0], "language", other)) != itself
        }
        table = nn.functional.normalize(self.language_embeddings.weight.detach().double(), dim=-1)
        cosines = (table[list(others.values())] @ table[itself]).tolist()
        return sorted(zip(others, cosines), key=lambda pair: -pair[1])

    def _known_codes(self) -> list[str]:
        """Every language in the script it was first given in; without one where a checkpoint of before tells none."""
        written = {code.partition("_")[0]: code for code in reversed(self.config.language_scripts)}
        return [written.get(language, language) for language in self.config.languages]

    @classmethod
    def from_encoder(
        cls,
        name_or_path: str | os.PathLike[str],
        languages: str | Sequence[str],
        scripts: str | Sequence[str] | None = None,
        *,
        use_language_embeddings: bool = True,
        use_script_embeddings: bool = True,
        dtype: torch.dtype = torch.float32,
        **kwargs: Any,
    ) -> Any:
        """Start from a masked-LM checkpoint; everything but the two tables is the checkpoint's.

        Args:
            name_or_path (`str` or `os.PathLike`): Hub id or folder of a checkpoint with its LM head.
            languages (`str` or `Sequence[str]`): language-scripts like `eng_Latn`; or, with `scripts`, languages like
                `eng`.
            scripts (`str` or `Sequence[str]`, *optional*): scripts like `Latn`, where `languages` holds none.
            use_language_embeddings (`bool`, *optional*, defaults to `True`): see the configuration.
            use_script_embeddings (`bool`, *optional*, defaults to `True`): see the configuration.
            dtype (`torch.dtype`, *optional*, defaults to `torch.float32`):
                transformers 5 would take the checkpoint's own, in which training loses small updates.
            **kwargs: `new_head=True` for an encoder that was saved without its LM head, as for
                [`~hf_mplm.modeling.load_masked_lm`]; and of `from_pretrained`: `revision`, `token`, ...

        Returns:
            the model, in eval mode as `from_pretrained` has it.

        Raises:
            ValueError: if the checkpoint is of another architecture, lacks the LM head or asks to run code.
            DamagedError: if it cannot be read.
        """
        start = package_module("start")
        if start is None:
            raise ValueError("from_encoder starts a training, and needs the package: pip install hf-mplm")
        return start.start_from_encoder(
            cls,
            name_or_path,
            languages,
            scripts,
            use_language_embeddings=use_language_embeddings,
            use_script_embeddings=use_script_embeddings,
            dtype=dtype,
            **kwargs,
        )

    def export_encoder(self, path: str | os.PathLike[str], tokenizer: Any = None) -> None:
        """Write the encoder alone, as a stock checkpoint that loads without hf_mplm, with identical hidden states.

        Args:
            path (`str` or `os.PathLike`): folder to write.
            tokenizer (`PreTrainedTokenizerBase`, *optional*): written beside it; the files of the checkpoint that this
                model was loaded from by default.
        """
        stock_class = self.stock_encoder_class
        own = (
            "hf_mplm_version",
            "language_scripts",
            "languages",
            "scripts",
            "use_language_embeddings",
            "use_script_embeddings",
        )
        left_out = {*PROVENANCE, *own}
        settings = {name: value for name, value in self.config.to_dict().items() if name not in left_out}
        # On the meta device nothing is drawn: exporting during training leaves the random state alone.
        with torch.device("meta"):
            encoder = stock_class(stock_class.config_class(**settings))
        encoder.load_state_dict(self.base_model.state_dict(), assign=True)
        encoder.save_pretrained(path)
        follow_umask(path)
        if tokenizer is not None:
            tokenizer.save_pretrained(path)
        # transformers 5 leaves an XLM-R tokenizer's SentencePiece model behind.
        source = self.config._name_or_path if tokenizer is None else tokenizer.name_or_path
        if not copy_tokenizer(source, path) and tokenizer is None:
            warnings.warn(
                f"there is no tokenizer in {source or 'this model, which was not loaded from a checkpoint'}, so that "
                f"{path} has none: transformers 5 would make one of five entries without a word, to which all text is "
                "unknown. Give it: model.export_encoder(path, tokenizer=tokenizer)",
                stacklevel=2,
            )
        card = package_module("encoder_card")
        if card is not None:
            card.write_encoder_card(path, self.config)
            card.strip_local_settings(path)


def _position(listed: Sequence[str], wanted: str, kind: str, code: str) -> int:
    if wanted not in listed:
        few = ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
        raise ValueError(
            f"the model does not know the {kind} of {code!r}; its {kind}s are {few or 'none'} "
            f"(config.{kind}s); `model.add_languages([{code!r}])` adds it"
        )
    return listed.index(wanted)
