from __future__ import annotations

from xml.etree import ElementTree

import pytest

from hf_mplm.report.before_after import Change, before_after


SVG = "{http://www.w3.org/2000/svg}"


def circles(picture: str) -> list[tuple[float, float, str]]:
    return [
        (float(one.get("cx")), float(one.get("cy")), one.get("fill"))
        for one in ElementTree.fromstring(picture).iter(f"{SVG}circle")
    ]


def test_values_stand_where_the_axis_says() -> None:
    picture = before_after([Change("wol_Latn", 4.0, 2.0), Change("eng_Latn", 1.0, 1.5)], "bits")
    tree = ElementTree.fromstring(picture)
    marks = {
        float(text.text): float(text.get("x"))
        for text in tree.iter(f"{SVG}text")
        if text.text.replace(".", "").isdigit()
    }
    a, b = sorted(marks)[0], sorted(marks)[-1]

    def value(x: float) -> float:
        return a + (x - marks[a]) / (marks[b] - marks[a]) * (b - a)

    # The last two are the legend's.
    drawn = circles(picture)[:-2]
    assert [round(value(x), 2) for x, _, _ in drawn] == [4.0, 2.0, 1.0, 1.5]
    assert drawn[0][1] == drawn[1][1] < drawn[2][1] == drawn[3][1]


def test_without_a_start_there_is_one_dot_and_names_are_text() -> None:
    picture = before_after([Change("</text><script>", None, 2.0)], "bits & more")
    assert len(circles(picture)) == 3
    assert "<script>" not in picture
    with pytest.raises(ValueError, match="no change"):
        before_after([], "bits")
