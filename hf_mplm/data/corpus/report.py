"""What became of the lines of a corpus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .quoting import list_some


__all__ = ["CLEANED", "DROPPED", "CorpusReport"]

UNKNOWN_LANGUAGE = "unknown"
NOT_ASKED_FOR = "of a language that --languages does not name"
"""Why a file is passed over that would be read without `--languages`."""

DROPPED = {
    "blank": "nothing but white space",
    "invalid_utf8": "not valid UTF-8",
    "invalid_json": "not a JSON object",
    "missing_text": "no text: the column is null or not a string, or a verse line has no tab",
    "missing_language": "no language: the column is null or not a string",
    "unknown_language": "the language is no code, or one that names none (und, mul, zxx, mis)",
    "invalid_row": "no row of the table: a quote that is not closed, or another number of fields than of columns",
    "no_script": "the code names no script, and the text has no letter to tell it from",
    "no_tokens": "the tokenizer makes nothing of it",
    "too_short": "shorter than --min_characters",
    "duplicate": "the same text stands there already",
    "no_romanization": "nothing but white space is left of it in Latin letters",
    "uroman_failed": "uroman itself fails on it",
    "no_romanized_tokens": "the tokenizer makes nothing of its romanisation",
}

CLEANED = {
    "bom": "a byte order mark at the start of the line was removed",
    "carriage_return": "one carriage return at the end of the line was removed",
    "nul": "NUL characters were removed",
    "special_token_text": "the text spelled a special token such as </s>, which became the unknown token",
}


def _add(into: dict[str, dict[str, int]], language: str, reason: str, n: int) -> None:
    counts = into.setdefault(language, {})
    counts[reason] = counts.get(reason, 0) + n


@dataclass
class CorpusReport:
    """Counts of what was read, dropped and cleaned, and where the first cases of each reason stand.

    Attributes:
        counts (`dict[str, int]`): sentences kept, per code.
        dropped (`dict[str, dict[str, int]]`): lines left out, per code and reason (`DROPPED` explains the reasons). A
            line whose language cannot be known counts under `unknown`.
        cleaned (`dict[str, dict[str, int]]`): lines kept in a changed form, per code and reason (see `CLEANED`).
        where (`dict[str, list[str]]`): the first few places, as `file:line`, per reason.
        files (`dict[str, list[str]]`): the files that name their language themselves, per code. Several files of one
            code are read one after the other.
        passed_over (`dict[str, str]`): what was found and not read, and why.
        max_places (`int`, *optional*, defaults to 5): how many places a reason keeps.
    """

    counts: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    cleaned: dict[str, dict[str, int]] = field(default_factory=dict)
    where: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[str]] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    max_places: int = 5

    def count(self, language: str) -> None:
        """Count one sentence that was kept."""
        self.counts[language] = self.counts.get(language, 0) + 1

    def drop(self, reason: str, language: str | None, n: int = 1) -> None:
        """Count `n` lines that were left out."""
        _add(self.dropped, language or UNKNOWN_LANGUAGE, reason, n)

    def clean(self, reason: str, language: str | None, n: int = 1) -> None:
        """Count `n` lines that were kept in a changed form."""
        _add(self.cleaned, language or UNKNOWN_LANGUAGE, reason, n)

    def wants_place(self, reason: str) -> bool:
        """Whether a place for this reason would be kept; finding a line number costs a pass over the file."""
        return reason != "blank" and len(self.where.get(reason, ())) < self.max_places

    def place(self, reason: str, place: str) -> None:
        """Keep where a line was dropped or cleaned."""
        self.where.setdefault(reason, []).append(place)

    def pass_over(self, name: str, why: str) -> None:
        """Note a file, or a folder, that was found and is not read."""
        self.passed_over[name] = why

    def explain_passed_over(self, *, but: str | None = None, most: int = 10) -> str:
        """What was passed over, in lines of one reason each that begin with a line feed; empty if nothing was.

        Args:
            but (`str`, *optional*): a reason that is left out.
            most (`int`, *optional*, defaults to 10): how many names a line has.
        """
        reasons: dict[str, list[str]] = {}
        for name, why in self.passed_over.items():
            if why != but:
                reasons.setdefault(why, []).append(name)
        return "".join(
            f"\nPassed over, {why}: {list_some(sorted(names), most, 200)}" for why, names in sorted(reasons.items())
        )

    def explain_dropped(self) -> str:
        """What was left out, why, and where it was first met, as a clause."""
        reasons = []
        for reason, n in self.dropped_by_reason().items():
            where = f" (first at {self.where[reason][0]})" if self.where.get(reason) else ""
            reasons.append(f"{n:,} {DROPPED[reason]}{where}")
        return ", ".join(reasons) or "none"

    def merge(self, other: CorpusReport) -> None:
        """Add the counts of a later piece of the corpus to this report."""
        for language, n in other.counts.items():
            self.counts[language] = self.counts.get(language, 0) + n
        for mine, theirs in ((self.dropped, other.dropped), (self.cleaned, other.cleaned)):
            for language, reasons in theirs.items():
                for reason, n in reasons.items():
                    _add(mine, language, reason, n)
        for reason, places in other.where.items():
            self.where[reason] = [*self.where.get(reason, []), *places][: self.max_places]
        for language, files in other.files.items():
            self.files[language] = [*self.files.get(language, []), *files]
        self.passed_over.update(other.passed_over)

    def dropped_by_reason(self) -> dict[str, int]:
        """Lines left out in all languages together, per reason."""
        return _totals(self.dropped)

    def cleaned_by_reason(self) -> dict[str, int]:
        """Lines kept in a changed form in all languages together, per reason."""
        return _totals(self.cleaned)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it, languages in the order of their codes."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "dropped": {code: dict(sorted(reasons.items())) for code, reasons in sorted(self.dropped.items())},
            "cleaned": {code: dict(sorted(reasons.items())) for code, reasons in sorted(self.cleaned.items())},
            "where": dict(sorted(self.where.items())),
            "files": dict(sorted(self.files.items())),
            "passed_over": dict(sorted(self.passed_over.items())),
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> CorpusReport:
        """Read what `to_dict` gave."""
        return cls(**value)


def _totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for reasons in counts.values():
        for reason, n in reasons.items():
            totals[reason] = totals.get(reason, 0) + n
    return dict(sorted(totals.items()))
