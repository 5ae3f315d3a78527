"""From a store's languages to the ids of a model's language and script embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from hf_mplm.languages import parse_code


__all__ = ["LanguageIds"]


@dataclass
class LanguageIds:
    """A language id and a script id for each language of a store, or none for a model without such embeddings.

    Args:
        language_ids (`torch.Tensor`, *optional*): id of each language's ISO 639-3 part. Shape: (languages,).
        script_ids (`torch.Tensor`, *optional*): id of each language's ISO 15924 part. Shape: (languages,).
    """

    language_ids: torch.Tensor | None = None
    script_ids: torch.Tensor | None = None

    @classmethod
    def of(cls, model: PreTrainedModel, codes: Sequence[str], *, may_lack: bool = False) -> LanguageIds:
        """Look every code up in `config.languages` and `config.scripts`, where these tables are on.

        Args:
            model (`transformers.PreTrainedModel`): any model.
            codes (`Sequence[str]`): codes such as `srp_Cyrl`, in the order of the store's labels.
            may_lack (`bool`, *optional*, defaults to `False`): whether the tables may lack some, for which nothing is
                added.

        Raises:
            ValueError: when the model has tables and lacks some of the languages or scripts; names the line to type.
        """
        # Other models' configurations have neither the lists nor the switches.
        settings = model.config.to_dict()
        languages = settings.get("languages") if settings.get("use_language_embeddings") else None
        scripts = settings.get("scripts") if settings.get("use_script_embeddings") else None
        if not languages and not scripts:
            return cls()
        parsed = [parse_code(code) for code in codes]
        missing = [
            code.code
            for code in parsed
            if (languages and code.language not in languages) or (scripts and code.script not in scripts)
        ]
        if missing and not may_lack:
            raise ValueError(
                f"the model has no embedding for {len(missing)} of {len(codes)} languages of the store: "
                f"{', '.join(missing[:10])}{' ...' if len(missing) > 10 else ''}. Add them with "
                f"model.add_languages({missing[:3]!r}{' + [...]' if len(missing) > 3 else ''}) or "
                "`hf-mplm pretrain --add_languages`"
            )
        return cls(
            _positions(languages, [code.language for code in parsed]) if languages else None,
            _positions(scripts, [code.script for code in parsed]) if scripts else None,
        )

    def add_to(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The batch as the model takes it: ids in place of the bookkeeping of the sampler.

        Args:
            inputs (`dict`): a batch with `language`, the index of each row's language. Shapes: (batch,).

        Returns:
            `dict`: the batch without `language` and `draw`, and with `language_ids` and `script_ids` where the model
            has tables. Shapes: (batch,).
        """
        batch = {key: value for key, value in inputs.items() if key not in ("draw", "language")}
        for key, table in (("language_ids", self.language_ids), ("script_ids", self.script_ids)):
            if table is not None and key not in batch:
                batch[key] = table.to(inputs["language"].device)[inputs["language"]]
        return batch


def _positions(table: Sequence[str], names: Sequence[str]) -> torch.Tensor:
    """The row of each name, -1 for one without a row, which adds nothing."""
    rows = {name: row for row, name in enumerate(table)}
    return torch.tensor([rows.get(name, -1) for name in names])
