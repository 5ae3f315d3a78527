from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_mplm.adapt.outcome_page import outcome_lines, outcome_page
from hf_mplm.evaluation.results import make_row, write_results


FOUND = {"languages": {"wol_Latn": {"unknown": 0.02}}}
SCORES = {
    "wol_Latn": (0.1, 0.3),
    "swh_Latn": (0.8, 0.75),
    "ell_Grek": (0.7, 0.5),
    "hin_Deva": (0.9, 0.8),
    "eng_Latn": (1.0, 1.0),
}
STANDING = {
    "wol_Latn": "new",
    "swh_Latn": "replayed",
    "ell_Grek": "watched",
    "hin_Deva": "watched",
    "eng_Latn": "watched",
}


def outcome_of(**changes: Any) -> dict[str, Any]:
    held_out = {
        code: {"standing": standing, "rows": 9, "before": 3.0, "after": 2.5, "change": [-0.5, -0.6, -0.4]}
        for code, standing in STANDING.items()
    }
    told = {"new": [-0.5, -0.6, -0.4], "replayed": [-0.5, -0.6, -0.4], "watched": [0.8, 0.7, 0.9]}
    rest = {"left_out": [], "keeping": "by replay", "examples": {}}
    return {"held_out": held_out, "changes": {**told, **changes}, **rest}


def page_of(folder: Path) -> str:
    for place, side in enumerate(("before", "after")):
        rows = [
            make_row(
                task="flores",
                language=code,
                source_language="eng_Latn",
                metric="accuracy@1",
                setting="plain",
                value=values[place],
                n=10,
                model=side,
            )
            for code, values in SCORES.items()
        ]
        (folder / side).mkdir()
        write_results(folder / side, rows)
    return outcome_page(FOUND, outcome_of(), folder)


def test_new_replayed_and_watched_languages_stand_apart(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    line = next(line for line in page.splitlines() if line.startswith("| flores accuracy@1 (plain)"))
    _, new, replayed, watched = (cell.strip() for cell in line.strip("|").split("|"))
    assert new == "0.100 to 0.300, n = 1" and replayed == "0.800 to 0.750, n = 1"
    # English is the source. The interval of two languages' mean change lies between the two.
    assert watched.startswith("0.800 to 0.650, -0.150 [-0.200, -0.100]".replace("[", "\\[").replace("]", "\\]"))
    assert watched.endswith("n = 2")
    # One title, and what `compare` writes stands below the heading of the benchmarks.
    assert [line for line in page.splitlines() if line.startswith("# ")] == ["# Before and after"]
    assert "\n### " in page[page.index("## Benchmarks") :]


def test_the_first_lines_say_what_was_won_and_lost() -> None:
    assert outcome_lines(outcome_of()) == [
        "new languages: -0.500 [-0.600, -0.400] bits a character, mean of 1",
        "old, replayed languages: -0.500 [-0.600, -0.400] bits a character, mean of 1",
        "old, watched languages: +0.800 [+0.700, +0.900] bits a character, mean of 3",
        "by replay",
    ]
    assert len(outcome_lines(outcome_of(replayed=None))) == 3
    (line, _) = outcome_lines(outcome_of(new=None, replayed=None, watched=None))
    assert "no LM head" in line
