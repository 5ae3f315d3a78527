"""What the configurations of encoders pretrained with language and script embeddings (LangSAMP) share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar


__all__ = ["LangScriptConfigMixin", "listed", "split_codes"]

if TYPE_CHECKING:
    from transformers import PretrainedConfig as _PreTrainedConfig
else:
    # A mixin, which stands before the architecture's own configuration.
    _PreTrainedConfig = object

LANGUAGE = re.compile(r"[a-z]{3}")
SCRIPT = re.compile(r"[A-Z][a-z]{3}")


def listed(codes: str | Iterable[str]) -> Iterable[str]:
    """Codes, of which a string may hold several; Python would read it letter by letter.

    Args:
        codes (`str` or `Iterable[str]`): `"swh_Latn,tha_Thai"`, with commas or spaces, or a list.

    Returns:
        `Iterable[str]`: The codes.

    Raises:
        ValueError: If a string names nothing.
    """
    if not isinstance(codes, str):
        return codes
    found = [code for code in re.split(r"[,\s]+", codes) if code]
    if not found:
        raise ValueError(f"{codes!r} names no language; write codes as in 'swh_Latn,tha_Thai'")
    return found


def split_codes(codes: str | Iterable[str]) -> tuple[list[str], list[str]]:
    """The languages and the scripts of language-script codes, each once, in the order of their first appearance.

    A language belongs to the language alone: `srp_Cyrl` and `srp_Latn` share the first entry.

    Args:
        codes (`str` or `Iterable[str]`): `swh_Latn`, or `swh` where only the language matters.

    Returns:
        `tuple[list[str], list[str]]`: ISO 639-3 codes and ISO 15924 codes.
    """
    languages: dict[str, None] = {}
    scripts: dict[str, None] = {}
    for code in listed(codes):
        language, _, script = code.partition("_")
        languages[_checked(language, LANGUAGE, code)] = None
        if script:
            scripts[_checked(script, SCRIPT, code)] = None
    return list(languages), list(scripts)


class LangScriptConfigMixin(_PreTrainedConfig):
    """What a configuration holds beside its architecture's own settings.

    Args:
        languages (`list[str]`, *optional*): ISO 639-3 codes; a code's position is its language id.
        scripts (`list[str]`, *optional*): ISO 15924 codes; a code's position is its script id.
        language_scripts (`list[str]`, *optional*): codes such as `swh_Latn` of the languages in the scripts that they
            were given in, by which `nearest_languages` names them.
        use_language_embeddings (`bool`, *optional*, defaults to `True`): whether the masked-LM model has a table of
            languages. The paper's ablation (section 5.1) turns one of the two off.
        use_script_embeddings (`bool`, *optional*, defaults to `True`): whether it has a table of scripts.
        hf_mplm_version (`str`, *optional*): the version of hf_mplm that made the checkpoint; set by the package.
        tie_word_embeddings (`bool`, *optional*, defaults to `True`): whether the decoder is the input embeddings.
        **kwargs: settings of the architecture.

    Raises:
        ValueError: if a code is malformed or listed twice.
    """

    # What the package puts here at import, so that this file can travel without it: its version, and what is to be
    # called when a configuration is first used (registering the model classes, whose import is slow).
    package_version: ClassVar[str | None] = None
    on_first_use: ClassVar[Callable[[], None] | None] = None

    def __init__(
        self,
        languages: list[str] | None = None,
        scripts: list[str] | None = None,
        use_language_embeddings: bool = True,
        use_script_embeddings: bool = True,
        hf_mplm_version: str | None = None,
        tie_word_embeddings: bool = True,
        language_scripts: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)  # type: ignore[call-arg]
        self.languages = _checked_list("languages", languages, LANGUAGE)
        self.scripts = _checked_list("scripts", scripts, SCRIPT)
        self.language_scripts = list(language_scripts or [])
        self.use_language_embeddings = bool(use_language_embeddings)
        self.use_script_embeddings = bool(use_script_embeddings)
        self.hf_mplm_version = hf_mplm_version or LangScriptConfigMixin.package_version
        if LangScriptConfigMixin.on_first_use is not None:
            LangScriptConfigMixin.on_first_use()


def _checked(code: str, pattern: re.Pattern[str], given: str) -> str:
    if pattern.fullmatch(code) is None:
        raise ValueError(f"{given!r} is not a language-script code; write it as swh_Latn (ISO 639-3, ISO 15924)")
    return code


def _checked_list(name: str, codes: str | Iterable[str] | None, pattern: re.Pattern[str]) -> list[str]:
    found = list(listed(codes or []))
    form = "ISO 639-3 codes like 'swh'" if pattern is LANGUAGE else "ISO 15924 codes like 'Latn'"
    for code in found:
        if not isinstance(code, str) or pattern.fullmatch(code) is None:
            raise ValueError(f"config.{name} lists {form}, not {code!r}; `split_codes` takes 'swh_Latn' apart")
    if len(set(found)) != len(found):
        twice = sorted({code for code in found if found.count(code) > 1})
        raise ValueError(f"config.{name} lists {', '.join(twice)} more than once; a code's position is its id")
    return found
