"""What the verbs that read a corpus print of it, and what their exit status says."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


__all__ = ["report_lines", "some", "status_of"]

_MOST_PASSED_OVER = 5


def report_lines(report: dict[str, Any]) -> list[str]:
    """What was dropped, changed and passed over, with the first places, a line each.

    Args:
        report (`dict[str, Any]`): what `CorpusReport.to_dict` gave.
    """
    from hf_mplm.data.corpus.corpora import CLEANED, DROPPED

    lines = []
    for title, counts, reasons in (("Dropped", "dropped", DROPPED), ("Changed", "cleaned", CLEANED)):
        sums: dict[str, int] = {}
        for by_reason in report[counts].values():
            for reason, n in by_reason.items():
                sums[reason] = sums.get(reason, 0) + n
        for reason, n in sorted(sums.items()):
            places = report["where"].get(reason, [])
            seen = f" (first at {', '.join(places[:3])})" if places else ""
            lines.append(f"{title} {n:,} lines: {reasons[reason]}{seen}")
    # Stores of earlier versions say nothing of it.
    by_why: dict[str, list[str]] = {}
    for name, why in report.get("passed_over", {}).items():
        by_why.setdefault(why, []).append(name)
    for why, names in sorted(by_why.items()):
        files = "1 file" if len(names) == 1 else f"{len(names):,} files"
        lines.append(f"Passed over {files}, {why}: {some(names, _MOST_PASSED_OVER)}")
    return lines


def some(names: Sequence[str], n: int) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")


def status_of(languages: Sequence[str] | None, found: Iterable[str], fold_han: bool, verb: str) -> int:
    """1, said in a line, if a language that was named gave no sentence, although others did; else 0.

    Args:
        languages (`Sequence[str]`, *optional*): what `--languages` names.
        found (`Iterable[str]`): codes of the sentences that there are.
        fold_han (`bool`): whether Hans and Hant were written as Hani.
        verb (`str`): which speaks.
    """
    from hf_mplm.data.corpus.corpora import missing_languages

    missing = missing_languages(languages, found, fold_han=fold_han)
    if missing:
        print(
            f"hf-mplm {verb}: no sentence of {', '.join(missing)}, which --languages names; what is written holds the "
            "others alone",
            file=sys.stderr,
        )
    return 1 if missing else 0
