"""What uroman's tables say about each character: whether its romanisation can depend on its neighbours."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from .engine import UromanEngine


__all__ = ["THAI_CONSONANTS", "THAI_O_ANG", "CharacterClasses"]

# The letter that uroman drops unless what it finds to its left, however far away, is a consonant.
THAI_O_ANG = "\u0e2d"

THAI_CONSONANTS = "".join(map(chr, range(0x0E01, 0x0E2F)))

# Characters of which uroman's code (not its tables) says that they change a neighbour.
_ABSORBED_BY_LEFT = frozenset("ゃゅょャュョー\u0300")
_DOUBLES_RIGHT = frozenset("っッ\u0a71")
_CONTEXTUAL_SCRIPTS = frozenset({"Thai", "Tibetan"})

_VOWELS = re.compile("[aeiou]+")

_POSITIONS = (
    "use-only-at-start-of-word",
    "dont-use-at-start-of-word",
    "use-only-at-end-of-word",
    "dont-use-at-end-of-word",
    "use-only-for-whole-word",
)


class _Table(dict):
    """Code point -> value, found when a character is first seen; the form that `str.translate` takes."""

    def __init__(self, find: Callable[[str], str]):
        super().__init__()
        self._find = find

    def __missing__(self, point: int) -> str:
        value = self[point] = self._find(chr(point))
        return value


class CharacterClasses:
    """Sorts characters by how far their romanisation reaches, for one language code.

    A character is *constant* when uroman's rules give it one romanisation whatever stands around it. The classes are
    one letter each, so that a text translated to them can be cut with a regular expression:

    - `p`, `i`, `m`: constant; `m` may also end or continue a key of several characters, `i` only keys that romanise as
      their characters do one by one;
    - `h`: constant, unless a character of a key that it begins follows;
    - `c`: depends on its neighbours, `a`: and on the script of its neighbours (abugidas, Thai, Tibetan); `C` and `A`:
      and begins a key;
    - `b`, `v`: as `a`, the letters of an abugida that continue no key, and its signs that are always one and the same
      vowel: a unit may end between either and a `b` of the same script; `t`: as `a`, the Thai vowels that are written
      before their consonant: a unit may begin with them; `w`, `x`: as `a`, those that are written after it, and tone
      marks: a unit may end between either and a consonant;
    - `d`, `.`, space: ASCII digits; the point, which joins them into numbers; U+0020;
    - `l`: changes or is absorbed by what stands before it (viramas, small kana, numbers without letters); `r`: doubles
      what follows it;
    - `z`: romanised with a space at its border (wide punctuation, U+00A0), dropped at the start of a line and beside
      U+0020; `Z`: and begins a key.

    Args:
        engine (`UromanEngine`): Where the tables are.
        code (`str`, *optional*): The language code that uroman is given.
    """

    def __init__(self, engine: UromanEngine, code: str | None = None):
        self._engine = engine
        self._code = code
        self._members: set[str] = set()
        self._heads: set[str] = set()
        self._plain_members: set[str] = set()
        self._ascii_keys = False
        self.pairs: set[str] = set()
        self._ending: dict[str, list[str]] = {}
        self._silent: dict[str, bool] = {}
        self.romanized = _Table(self._romanize)
        self.classes = _Table(self._class)
        self._read_keys()
        self.lower, self.upper = self._stand_ins()

    def _read_keys(self) -> None:
        for key in self._engine.keys:
            self._ending.setdefault(key[-1], [key[-1]]).append(key)
            self.pairs.update(key[at : at + 2] for at in range(len(key) - 1))
            rules = self._engine.active_rules(key, self._code)
            # A key of another language makes no edge, but uroman still reads it to see where a word ends, unless its
            # first character is a letter, which answers that question by itself.
            if not rules and key[0].isalpha():
                continue
            if rules and all(self._is_constant(char) for char in key):
                spelled = "".join(self.romanized[ord(char)] for char in key)
                # Spelled alike and ending alike, so that neither the text nor what follows can tell the difference.
                if self.romanized[ord(key[-1])] and all(rule["t"] == spelled for rule in rules):
                    self._plain_members.update(key)
                    continue
            self._heads.add(key[0])
            self._members.update(key[1:])
            self._ascii_keys |= key.isascii()

    def ascii_is_constant(self) -> bool:
        """Whether ASCII text is romanised as it stands: each character alone, and every key that has no other."""
        return (
            all(self.romanized[point] == chr(point) and self.classes[point] in "pimhd. " for point in range(128))
            and not self._ascii_keys
        )

    def _stand_ins(self) -> tuple[str, str]:
        """A letter of each case that is in no key, to stand for any constant letter beside a unit."""
        keyed = self._heads | self._members | self._plain_members
        free = [char for char in "abcdefghijklmnopqrstuvwxyz" if not {char, char.upper()} & keyed]
        return free[0], free[0].upper()

    def begins_key(self, char: str) -> bool:
        """Whether a key of several characters that can apply, or that begins with no letter, begins with this one."""
        return char in self._heads or char in self._plain_members

    def may_be_silent(self, char: str) -> bool:
        """Whether an edge that ends in this character may have no text while uroman still lays edges."""
        if char not in self._silent:
            rules = [rule for key in self._ending.get(char, [char]) for rule in self._engine.rules[key]]
            silent = not self._engine.rules[char] or char == THAI_O_ANG
            self._silent[char] = silent or any(not rule["t"] or rule["t-at-end-of-syllable"] == "" for rule in rules)
        return self._silent[char]

    def _romanize(self, char: str) -> str:
        engine = self._engine
        rules = engine.active_rules(char, self._code)
        # The two commonest cases by themselves: one rule without conditions, and a syllable of Hangul.
        if len(rules) == 1 and self._is_unconditional(rules[0]) and not engine.is_numeric(char):
            if not self.is_contextual_script(char):
                return rules[0]["t"]
        if "\uac00" <= char <= "\ud7a3" and not rules:
            return engine.romanize_hangul(char)
        return engine.romanize(char, self._code)

    @staticmethod
    def _is_unconditional(rule: Any) -> bool:
        target = rule["t"]
        return (
            target is not None
            and not target.startswith("+")
            and target == target.strip(" ")
            and rule["t-at-end-of-syllable"] is None
            and not any(rule[position] for position in _POSITIONS)
        )

    def is_contextual_script(self, char: str) -> bool:
        """Whether uroman looks at the script of this character's neighbours."""
        script = self._engine.script(char)
        return script in _CONTEXTUAL_SCRIPTS or script in self._engine.abugidas

    def is_space(self, char: str) -> bool:
        """Whether a rule romanises the character with a space at its border."""
        targets = [rule["t"] or "" for rule in self._engine.active_rules(char, self._code)]
        return any(target != target.strip(" ") for target in targets)

    def _is_constant(self, char: str) -> bool:
        engine = self._engine
        if engine.is_numeric(char) or char in engine.signs or self.is_contextual_script(char):
            return False
        if char in _ABSORBED_BY_LEFT or char in _DOUBLES_RIGHT or engine.flag("is-virama", char):
            return False
        name = engine.name(char)
        if "NUKTA" in name or engine.syllable_info(char) or "\u2800" <= char <= "\u28ff":
            return False
        rules = engine.active_rules(char, self._code)
        if "\uac00" <= char <= "\ud7a3" and rules:
            return False
        for rule in rules:
            target = rule["t"] or ""
            if any(rule[position] for position in _POSITIONS) or rule["t-at-end-of-syllable"] is not None:
                return False
            if rule["num"] is not None or target != target.strip(" "):
                return False
            # "TH" for a capital becomes "Th" before a small letter.
            if target.isupper() and target.capitalize() != target:
                return False
        return not any(letter.isdigit() for letter in self.romanized[ord(char)])

    def _class(self, char: str) -> str:
        if char in "0123456789":
            return "d"
        if char in ". ":
            return char
        if char in _DOUBLES_RIGHT:
            return "r"
        if char in _ABSORBED_BY_LEFT or self._engine.flag("is-virama", char):
            return "l"
        # uroman fails where it asks of such a number, which has no letters, whether a word ends before it.
        if not char.isalpha() and any(rule["t"] is None for rule in self._engine.rules[char]):
            return "l"
        if self.is_space(char):
            return "Z" if char in self._heads else "z"
        if self.is_contextual_script(char):
            return self._contextual_class(char)
        if not self._is_constant(char):
            return "C" if char in self._heads else "c"
        if char in self._heads:
            return "h"
        if char in self._members:
            return "m"
        return "i" if char in self._plain_members else "p"

    def stand_in(self, script: str, char: str) -> str:
        """The letter that stands for any letter of class `b` of an abugida: the first of the block of `char`."""
        block = ord(char) & ~0xFF
        return next(
            chr(point)
            for point in range(block, ord(char) + 1)
            if self._engine.script(chr(point)) == script and self.classes[point] == "b"
        )

    def _contextual_class(self, char: str) -> str:
        engine = self._engine
        # Every character of Thai but its digits begins a key (that of its silent form), and those two-character keys
        # end in a character of class `a` or `l`; so for the vowels of class `t` beginning a key is no obstacle.
        if engine.syllable_info(char) and char not in self._members:
            return "t"
        if engine.script(char) == "Thai" and char > THAI_CONSONANTS[-1]:
            targets = {rule["t"] for key in self._ending.get(char, [char]) for rule in engine.rules[key]}
            if engine.is_tone_mark(char) and targets == {""}:
                return "x"
            if targets and all(target and target[-1] in "aeiou" for target in targets):
                return "w"
        if char in self._heads:
            return "A"
        if char in self._members or engine.script(char) not in engine.abugidas - _CONTEXTUAL_SCRIPTS:
            return "a"
        if engine.is_numeric(char) or "NUKTA" in engine.name(char):
            return "a"
        if engine.joins_left(char):
            return "v" if self._is_vowel(char) else "a"
        return "b" if char.isalpha() and unicodedata.category(char) == "Lo" else "a"

    def _is_vowel(self, char: str) -> bool:
        targets = [rule["t"] or "" for rule in self._engine.active_rules(char, self._code)]
        return len(targets) == 1 and bool(_VOWELS.fullmatch(targets[0]))

    def neutral_before(self, char: str) -> bool:
        """Whether a constant character on the left of a unit is to uroman what the start of a text is."""
        romanized = self.romanized[ord(char)]
        return not (
            char.isalpha()
            or self._engine.is_letter_or_mark(char)
            or romanized[-1:].isalpha()
            or self._engine.script(char)
        )

    def neutral_after(self, char: str) -> bool:
        """Whether a constant character on the right of a unit is to uroman what the end of a text is."""
        if char.isalpha() or char.islower() or self._engine.is_letter_or_mark(char) or self._engine.script(char):
            return False
        return not any(
            letter.isalpha() for rule in self._engine.rules[char] for letter in rule["t"] or ""
        ) and not self._engine.flag("is-vowel-sign", char)

    def line_pattern(self) -> re.Pattern[str]:
        """Matches the lines that may not be cut at U+0020: Braille, other spaces, keys that hold a space."""
        spaces = filter(self.is_space, self._engine.spaces)
        spaced = {key[at - 1 : at + 2] for key in self._engine.keys for at, char in enumerate(key) if char == " "}
        alternatives = [re.escape(part) for part in sorted(spaced)]
        return re.compile("|".join(["[\u2800-\u28ff" + re.escape("".join(sorted(spaces))) + "]", *alternatives]))
