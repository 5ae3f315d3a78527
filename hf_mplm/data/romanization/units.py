"""The smallest pieces of a text that uroman romanises in the same way wherever they stand.

uroman builds a lattice of edges over the whole text. What follows was read from its source (1.3.1.1) and holds for its
tables as they are loaded, not for a copy of them; `docs/romanization.md` gives the argument:

1. An edge spans two neighbouring characters only if both are in one key of its tables, or one of them is a character
   that its code names (viramas, small kana, the Japanese and Gurmukhi doublers, the point between digits).
2. The conditions of a rule ask about the character before and the one after: is it a letter, is its romanisation one,
   which script is it of. Where that character's own romanisation is constant they ask no further.
3. The best path is greedy from the left, so it passes through every position that no edge spans.

So a text is a sequence of constant characters, each romanised alone, and of *units*, the runs between them, each
romanised with its two neighbours or with a character that is to uroman the same. Braille, where one sign changes the
rest of the line, is romanised by whole lines.
"""

from __future__ import annotations

import re
import unicodedata

from .cache import GenerationCache
from .classes import THAI_CONSONANTS, THAI_O_ANG, CharacterClasses
from .engine import UromanEngine


__all__ = ["Unit", "UnitRomanizer"]

_UNIT = re.compile(
    r"""(?:
        .?l                                     # what is absorbed, with what absorbs it
      | r+(?:[imhCAcabvtwx]+|.)?                # what doubles, with what is doubled
      | [hCA][hmCAcabvtwx]+ | tm[hmCAcabvtwx]*  # what begins a key, with what may go on with it
      | Z[hmCAcabvtwxZz\ ]+
      | [CAZcabvtwxz]
      | d | (?<=[CAcabvwxdl])\.(?=[CAcabvwxdl]) # numbers
    )+""",
    re.DOTALL | re.VERBOSE,
)

# Units that uroman asks of their neighbours no more than whether they are letters.
_INEXACT = re.compile(r"[CcdhmpirlZz. ]*")

# Where a unit may end inside an abugida: before a letter that follows a letter or a vowel sign. Inside Thai: before a
# vowel that is written before its consonant; after one that is written after it, and its tone.
_CUT = re.compile(r"(?<=[bv])(?=b)|(?<=[aAwx])(?=t)|(?:(?<=w)|(?<=wx))(?=A)")

# The consonants before which a vowel sign ends a unit; O ANG asks what stands before the sign.
_CUT_BEFORE = frozenset(THAI_CONSONANTS) - {THAI_O_ANG}

# A Thai vowel before its consonant is never passed by when uroman looks left, unless what follows it is silent.
_SPOKEN_AFTER = re.compile("[\u0e01-\u0e2e][^\u0e4c]?(?:[^\u0e4c]|$)")

# Ends the key of a unit that is known with more than one character before it.
_FAR = "\n\n"

# int() of a longer string of digits is refused by Python, and uroman fails with it.
_LONGEST_NUMBER = 100

_DIGITS = re.compile(f"[0-9.]{{{_LONGEST_NUMBER + 1}}}")

_BRAILLE = re.compile("[\u2800-\u28ff]")

# More text before a unit than this is not worth a place in the cache.
_LONGEST_LEFT = 128

# Words of more characters seldom come back.
_LONGEST_WORD = 48

Unit = tuple[str | None, str, str, str]


class UnitRomanizer:
    """Romanises text unit by unit for one language code.

    Args:
        engine (`UromanEngine`): What romanises a unit.
        code (`str`, *optional*): The language code that uroman is given.
        units (`GenerationCache`): Holds the romanisations of units `(code, before, unit, after)`.
        words (`GenerationCache`): Holds those of words `(code, word)` that contain units.
    """

    def __init__(
        self,
        engine: UromanEngine,
        code: str | None,
        units: GenerationCache[Unit],
        words: GenerationCache[tuple[str | None, str]],
    ):
        self._engine = engine
        self._code = code
        self._units = units
        self._words = words
        self._chars = CharacterClasses(engine, code)
        self._before: dict[tuple[str, bool], str] = {}
        self._after: dict[tuple[str, bool], str | None] = {}
        self._stand_ins: dict[tuple[str, int], str] = {}
        self._uncuttable = self._chars.line_pattern()
        self._ascii_is_constant = self._chars.ascii_is_constant()

    def romanize(self, text: str) -> str:
        """Romanises one text.

        Raises:
            RomanizationError: uroman fails on it.
        """
        if text.isascii() and self._ascii_is_constant and not _DIGITS.search(text):
            return text
        classes = text.translate(self._chars.classes)
        if _UNIT.search(classes) is None:
            return text.translate(self._chars.romanized)
        if _BRAILLE.search(text):
            return self._engine.romanize(text, self._code)
        if THAI_O_ANG in text or self._uncuttable.search(text):
            romanized = self._romanize_classes(text, classes)
            return self._engine.romanize(text, self._code) if romanized is None else romanized
        return " ".join([self._word(word) for word in text.split(" ")])

    def _word(self, word: str) -> str:
        """Romanises what stands between two spaces."""
        known = self._words.get((self._code, word))
        if known is None:
            known = self._romanize_classes(word, word.translate(self._chars.classes))
            if known is None:
                known = self._engine.romanize(word, self._code)
            if len(word) <= _LONGEST_WORD:
                self._words[(self._code, word)] = known
        return known

    def _romanize_classes(self, text: str, classes: str) -> str | None:
        chars = self._chars
        found = _UNIT.search(classes)
        if found is None:
            return text.translate(chars.romanized)
        pieces = []
        done = 0
        while found is not None:
            start, end = found.span()
            unit = text[start:end]
            if start > done:
                pieces.append(text[done:start].translate(chars.romanized))
            if unit.isascii() and unit.replace(".", "").isdigit() and end - start <= _LONGEST_NUMBER:
                pieces.append(unit)
            else:
                romanized = self._unit(text, start, end, classes[start:end])
                if romanized is None:
                    return None
                pieces.append(romanized)
            done = end
            found = _UNIT.search(classes, end)
        pieces.append(text[done:].translate(chars.romanized))
        return "".join(pieces)

    def _unit(self, text: str, start: int, end: int, classes: str) -> str | None:
        """The romanisation of a unit, or None where its neighbours do not bound what it depends on."""
        before, after = text[start - 1 : start] if start else "", text[end : end + 1]
        if not classes.strip("z"):
            # What such a character becomes depends on the presence of a space alone.
            before = self._chars.lower if before not in ("", " ") else before
            after = " " if after == " " else ""
        else:
            exact = not _INEXACT.fullmatch(classes)
            # A space at the unit's border looks at the very characters beside it.
            spaced = "z" in classes or "Z" in classes
            if after:
                right = self._neighbour_after(after, exact)
                if right is None:
                    return None
                if "NUKTA" in self._engine.name(text[end - 1]):
                    # uroman skips this sign and reads the character after it, or, at the end of a text, does not.
                    if after.isalpha() or self._chars.begins_key(after):
                        return None
                elif not spaced:
                    after = right
            if before and not spaced:
                before = self._neighbour_before(before, exact)
        if not _CUT.search(classes):
            return self._piece(text, start, end, before, after)
        return self._pieces(text, start, classes, before, after)

    def _pieces(self, text: str, start: int, classes: str, before: str, after: str) -> str | None:
        """Romanises a unit by the pieces that it may be cut into."""
        script = self._engine.script
        romanized = []
        begin = start
        bounded = False
        for found in _CUT.finditer(classes):
            cut = start + found.start()
            name = script(text[cut])
            if script(text[cut - 1]) != name:
                continue
            kind = classes[cut - start]
            if kind == "b":
                right = left = self._stand_in(name, text[cut])
            elif kind == "A":
                if text[cut] not in _CUT_BEFORE or text[cut - 1 : cut + 1] in self._chars.pairs:
                    continue
                left, right = text[cut - 1], ""
            elif text[cut - 1] != THAI_O_ANG and _SPOKEN_AFTER.match(text, cut + 1, cut + 4):
                left = right = ""
            else:
                continue
            piece = self._piece(text, begin, cut, before, right, bounded)
            if piece is None:
                return None
            romanized.append(piece)
            begin, before, bounded = cut, left, kind == "t"
        piece = self._piece(text, begin, start + len(classes), before, after, bounded)
        return None if piece is None else "".join(romanized) + piece

    def _stand_in(self, script: str, char: str) -> str:
        known = self._stand_ins.get((script, ord(char) >> 8))
        if known is None:
            known = self._stand_ins[(script, ord(char) >> 8)] = self._chars.stand_in(script, char)
        return known

    def _piece(self, text: str, start: int, end: int, before: str, after: str, bounded: bool = False) -> str | None:
        """The romanisation of text[start:end] between two neighbours; None where it depends on more than them."""
        unit = text[start:end]
        key = (self._code, before, unit, after)
        known = self._units.get(key)
        if known is not None:
            return known
        if not bounded and THAI_O_ANG in unit and self._looks_far(unit):
            return self._far_piece(text, start, key)
        return self._remember(key)

    def _remember(self, key: Unit) -> str | None:
        known = self._between(*key[1:])
        if known is not None:
            self._units[key] = known
        return known

    def _looks_far(self, unit: str) -> bool:
        """Whether uroman may look past the beginning of a unit for what precedes its O ANG."""
        return any(
            char == THAI_O_ANG and (at == 0 or self._chars.may_be_silent(unit[at - 1])) for at, char in enumerate(unit)
        )

    def _far_piece(self, text: str, start: int, key: Unit) -> str | None:
        """Romanises a unit whose O ANG uroman may drop for what it finds anywhere to the left.

        It asks of what it finds whether that is a consonant. If the unit is romanised alike with nothing there and
        with a consonant there, it does not matter; otherwise the same is tried with the word before, or all text
        before.
        """
        code, before, unit, after = key
        word = text.rfind(" ", 0, max(0, text.rfind(" ", 0, start))) + 1
        left = text[word:start]
        if len(left) > _LONGEST_LEFT:
            return self._if_near(before, unit, after)
        # Marked, because the neighbour of a unit and all the text before it may be the same character.
        far = (code, f"{left}{_FAR}", unit, after)
        known = self._units.get(far)
        if known is not None:
            return known
        known = self._if_near(before, unit, after)
        if known is not None:
            far = key
        elif not word:
            known = self._between(left, unit, after)
        elif THAI_O_ANG not in left:
            known = self._if_near(left, unit, after)
        if known is not None:
            self._units[far] = known
        return known

    def _if_near(self, before: str, unit: str, after: str) -> str | None:
        """The romanisation of a unit if it is the same for a consonant before `before` as for nothing."""
        alone = self._between(before, unit, after)
        consonant = self._chars.lower
        if before and before[0] != " ":
            beyond = self._between(f"{consonant}{consonant}{before}", unit, after)
        else:
            beyond = self._between(f"{consonant} {before}", unit, after)
        return alone if alone == beyond else None

    def _between(self, before: str, unit: str, after: str) -> str | None:
        start, end = len(before), len(before) + len(unit)
        edges = self._engine.edges(before + unit + after, self._code)
        borders = {edge[0] for edge in edges}
        if start not in borders or (after and end not in borders):
            return None
        return "".join(text for first, _, text in edges if start <= first < end)

    def _neighbour_before(self, char: str, exact: bool) -> str:
        known = self._before.get((char, exact))
        if known is None:
            if self._chars.neutral_before(char):
                known = ""
            else:
                known = self._chars.lower if char.isalpha() and not exact else char
            self._before[(char, exact)] = known
        return known

    def _neighbour_after(self, char: str, exact: bool) -> str | None:
        if (char, exact) not in self._after:
            known: str | None = char
            if unicodedata.category(char)[0] == "M":
                known = None
            elif self._chars.neutral_after(char):
                known = ""
            elif char.isalpha() and not exact:
                known = self._chars.lower if char.islower() else self._chars.upper
            self._after[(char, exact)] = known
        return self._after[(char, exact)]
