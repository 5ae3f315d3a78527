"""The codes that a corpus uses, and the codes of the package."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hf_mplm.languages import parse_code

from .options import ReadOptions


__all__ = ["CodeResolver", "has_script"]

# Of what names no language a corpus may have any number; a few of each are known at a time.
_MOST_UNKNOWN = 4096


class CodeResolver:
    """Turn the codes that a corpus uses into codes of the package, and leave out the languages not asked for."""

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self._codes: dict[str, str] = {}
        self._unknown: set[str] = set()
        self._same: dict[tuple[str, str], bool] = {}
        self._wanted: set[str] | None = None
        if options.languages is not None:
            # Any script serves to validate a language that stands without one.
            self._wanted = {
                self.parse(code) if has_script(code) else parse_code(f"{code}_Latn").language
                for code in options.languages
            }

    def parse(self, code: str, *, text: str | None = None, hint: str | None = None) -> str:
        """The package's code for `code`.

        Args:
            code (`str`): as the corpus writes it.
            text (`str`, *optional*): tells the script where the code lacks it.
            hint (`str`, *optional*): code of the file; a bare `code` of the same language takes its script.

        Raises:
            ValueError: if it is no code; the message names the nearest ones.
        """
        if code in self._codes:
            return self._codes[code]
        if has_script(code):
            self._codes[code] = parse_code(code, fold_han=self.options.fold_han).code
            return self._codes[code]
        if hint is not None and self._same_language(code, hint):
            return hint
        return parse_code(code, text=text, fold_han=self.options.fold_han).code

    def parse_row(self, code: str, text: str, hint: str | None = None) -> str | None:
        """The same for a row, whose text may be too little to tell a script from: None, if nothing else tells it.

        Raises:
            ValueError: if it is no code, or one that names no language (`und`, `mul`, `zxx`, `mis`).
        """
        if code in self._unknown:
            raise ValueError("no code")
        try:
            return self.parse(code, text=text, hint=hint)
        except ValueError:
            try:
                parse_code(f"{code}_Latn")
            except ValueError:  # it is the language that is wrong
                if len(self._unknown) < _MOST_UNKNOWN and len(code) < 100:
                    self._unknown.add(code)
                raise
        try:
            return parse_code(code, fold_han=self.options.fold_han).code
        except ValueError:
            return None

    def _same_language(self, code: str, hint: str) -> bool:
        if (code, hint) not in self._same:
            language, script = hint.split("_")
            self._same[code, hint] = parse_code(f"{code}_{script}").language == language
        return self._same[code, hint]

    def wants(self, code: str) -> bool:
        """Whether sentences of this code are to be read."""
        return self._wanted is None or code in self._wanted or code.split("_")[0] in self._wanted

    def asks_for(self, language: str) -> bool:
        """Whether a language is among those that were asked for by name."""
        return any(code.split("_")[0] == parse_code(f"{language}_Latn").language for code in self._wanted or ())

    def missing(self, found: Iterable[str]) -> list[str]:
        """The languages that were asked for and are not among `found`."""
        have = set(found) | {code.split("_")[0] for code in found}
        return sorted((self._wanted or set()) - have)


def has_script(code: str) -> bool:
    """Whether a code as the corpus writes it names its script."""
    return bool(re.search(r"[_-][A-Za-z]{4}([_-]|$)", code))
