"""Latin transliterations of text in any script, exactly as `uroman` gives them and much faster."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from hf_mplm._lists import as_list

from .cache import GenerationCache, UnitFile
from .engine import PROVEN_VERSION, RomanizationError, load_engine
from .units import Unit, UnitRomanizer


__all__ = ["RomanizationCounts", "RomanizationError", "Romanizer", "uroman_code"]

logger = logging.getLogger(__name__)

# New units that are kept for the file at most.
_SAVE_AFTER = 50_000

# uroman's rules name five macrolanguages of ISO 639-3 where corpora name one of their members.
_MACROLANGUAGES = {
    **dict.fromkeys(("acm", "acq", "aeb", "afb", "ajp", "apc", "arb", "arq", "ars", "ary", "arz", "ayl"), "ara"),
    **dict.fromkeys(("pes", "prs"), "fas"),
    **dict.fromkeys(("lvs", "ltg"), "lav"),
    **dict.fromkeys(("pbt", "pbu", "pst"), "pus"),
    **dict.fromkeys(("ydd", "yih"), "yid"),
}


@dataclass
class RomanizationCounts:
    """What became of the texts that a `Romanizer` was given.

    Attributes:
        texts (`int`): All of them.
        unchanged (`int`): Those that romanise as themselves, as most Latin text does.
        empty (`int`): Those of which nothing but white space is left.
        failed (`int`): Those on which uroman itself fails.
    """

    texts: int = 0
    unchanged: int = 0
    empty: int = 0
    failed: int = 0


def uroman_code(language: str) -> str:
    """The language code that uroman is given for a language-script: ISO 639-3, or the macrolanguage that its rules
    name.

    Args:
        language (`str`): A code such as `pes_Arab` or `pes`.

    Returns:
        `str`: Such as `fas`.

    Raises:
        ValueError: The code does not begin with three letters of ISO 639-3.
    """
    code = language.split("_")[0]
    if not (len(code) == 3 and code.isascii() and code.isalpha() and code.islower()):
        raise ValueError(
            f"{language!r} is no language code that uroman takes; needed is ISO 639-3, alone or with a script, as in "
            "'rus' or 'rus_Cyrl'."
        )
    return _MACROLANGUAGES.get(code, code)


class Romanizer:
    """Romanises text as `uroman.Uroman().romanize_string` does, and caches by the smallest unit that gives the same
    output.

    Most characters have one romanisation wherever they stand and cost one look-up. The others are romanised by uroman
    with what they depend on (a syllable of an abugida, a word's ending in Greek, a number) and remembered;
    `docs/romanization.md` tells why the result is the same. With a version of uroman other than 1.3.1.1, for which
    that was shown, whole lines are romanised, with the same output as ever and no speed-up.

    Args:
        use_language_codes (`bool`, *optional*, defaults to `False`): Tell uroman the language of each text, which
            changes its output for some (`rus` writes "е" at the start of a word as "ye"). The papers do not.
        cache_size (`int`, *optional*, defaults to 500000): Entries that each of the two caches (words, units) holds at
            most, in all languages together; about 250 bytes an entry.
        cache_file (`str` or `Path`, *optional*): SQLite file of units, read here and written by [`~Romanizer.save`]
            and whenever 50,000 are new; several processes and runs may share it.
        on_error (`"raise"` or `"empty"`, *optional*, defaults to `"raise"`): What to do with a text on which uroman
            itself fails, such as a Chinese line that ends in "三分之": raise, or return "" and count.

    Attributes:
        counts (`RomanizationCounts`): What became of the texts so far.

    Raises:
        ImportError: `uroman` is not installed.

    Example:

    ```python
    romanizer = Romanizer()
    romanizer(["Привет", "こんにちは"])  # ["Privet", "konnichiha"]
    ```
    """

    def __init__(
        self,
        use_language_codes: bool = False,
        *,
        cache_size: int = 500_000,
        cache_file: str | Path | None = None,
        on_error: Literal["raise", "empty"] = "raise",
    ):
        if on_error not in ("raise", "empty"):
            raise ValueError(f"on_error is 'raise' or 'empty', not {on_error!r}")
        self.use_language_codes = use_language_codes
        self.counts = RomanizationCounts()
        self._on_error = on_error
        self._cache_size = cache_size
        self._units: GenerationCache[Unit] = GenerationCache(cache_size, keep_new=cache_file is not None)
        self._words: GenerationCache[tuple[str | None, str]] = GenerationCache(cache_size)
        self._by_code: dict[str | None, UnitRomanizer] = {}
        self._engine = load_engine()
        self._file = None if cache_file is None else UnitFile(cache_file, self.version)
        if self._file is not None:
            for unit, romanized in self._file.load(cache_size // 2):
                self._units.hold(unit, romanized)
        if not self._engine.proven:
            logger.warning(
                "uroman %s is installed; units smaller than a line were shown to be exact for %s, so whole lines are "
                "romanised. For the speed: pip install uroman==%s",
                self.version,
                PROVEN_VERSION,
                PROVEN_VERSION,
            )

    @property
    def version(self) -> str:
        """The version of uroman whose output this is."""
        return self._engine.version

    def __call__(self, texts: Sequence[str], languages: Sequence[str] | None = None) -> list[str]:
        """Romanises texts.

        Args:
            texts (`list[str]`): The texts; each is romanised on its own, and may hold any characters.
            languages (`list[str]`, *optional*): The language of each text, such as `rus_Cyrl`; needed with
                `use_language_codes=True`, ignored otherwise.

        Returns:
            `list[str]`: One romanisation a text, in the same order.

        Raises:
            RomanizationError: uroman fails on a text, and `on_error` is `"raise"`.
            TypeError: One string is given instead of a list, or something in the list is no string.
            ValueError: The languages that `use_language_codes=True` needs are missing, or not as many as the texts.
        """
        if isinstance(texts, str):
            raise TypeError("A list of texts is needed, one string was given; type: romanizer([text])[0]")
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"A list of texts is needed, and number {place} of it is {text!r}; leave it out")
        codes = self._codes(texts, languages)
        romanized = [self._romanize(text, code) for text, code in zip(texts, codes)]
        if self._units.n_new >= _SAVE_AFTER:
            self.save()
        return romanized

    def _codes(self, texts: Sequence[str], languages: Sequence[str] | None) -> Sequence[str | None]:
        if not self.use_language_codes:
            return [None] * len(texts)
        if languages is None:
            raise ValueError(
                "use_language_codes=True needs the language of each text; type: romanizer(texts, "
                "languages=['rus_Cyrl', ...])"
            )
        languages = as_list(languages)
        if len(languages) != len(texts):
            raise ValueError(
                f"{len(texts)} texts were given with {len(languages)} languages; needed is a list with one a text."
            )
        return [uroman_code(language) for language in languages]

    def _romanize(self, text: str, code: str | None) -> str:
        self.counts.texts += 1
        try:
            romanized = self._romanize_exactly(text, code)
        except RomanizationError:
            if self._on_error == "raise":
                raise
            self.counts.failed += 1
            return ""
        self.counts.unchanged += romanized == text
        self.counts.empty += not romanized.strip()
        return romanized

    def _romanize_exactly(self, text: str, code: str | None) -> str:
        if not self._engine.proven:
            return self._engine.romanize(text, code)
        # A code that no rule names changes nothing, so its texts share the cache of those without one.
        if code not in self._engine.codes:
            code = None
        units = self._by_code.get(code)
        if units is None:
            units = self._by_code[code] = UnitRomanizer(self._engine, code, self._units, self._words)
        try:
            return units.romanize(text)
        except RomanizationError:
            # The message names the text that was given, not the unit of it.
            return self._engine.romanize(text, code)

    def save(self) -> None:
        """Adds the units that are new to `cache_file`, where there is one."""
        if self._file is not None:
            self._file.add(self._units.take_new())

    def __enter__(self) -> Romanizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.save()
