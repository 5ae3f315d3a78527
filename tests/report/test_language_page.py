from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hf_mplm.languages import list_codes
from hf_mplm.report.language_page import language_page
from hf_mplm.report.page import Page
from tests.report.browser import run_in_browser


NASTY = "</script><b>\"&'<!--"


def clusters_of(count: int) -> list[str]:
    return [f"c{row % 12}" for row in range(count)]


def make_page(count: int = 30) -> Page:
    generator = np.random.default_rng(0)
    codes = list(list_codes("udhr"))[:count]
    vectors = generator.normal(size=(count, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places = generator.normal(size=(count, 2))
    errors = np.full(count, 0.125)
    errors[1] = np.nan
    globe = places.copy()
    globe[2] = np.nan
    return language_page(
        "Languages",
        codes,
        [NASTY, "=1+1", *(f"Name {row}" for row in range(2, count))],
        groups={
            "cluster": clusters_of(count),
            "family": [None if row == 0 else NASTY for row in range(count)],
        },
        layouts={"t-SNE": places, "globe": globe},
        cosines=vectors @ vectors.T,
        errors=errors,
        first=[codes[5]],
    )


def data_of(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="languages">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def test_names_stay_text_and_the_nearest_are_the_nearest() -> None:
    text = make_page().html()
    data = data_of(text)
    assert data["names"][0] == NASTY and NASTY not in text and data["groups"]["family"][:2] == [None, NASTY]
    assert text.count("</script>") == 2 and "<b>" not in text
    assert data["errors"][:3] == [0.125, None, 0.125] and data["layouts"]["globe"][2] is None
    assert data["first"] == [5]
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(30, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors[7] @ vectors.T
    expected = [row for row in np.argsort(-cosines) if row != 7][:10]
    assert [row for row, _ in data["nearest"][7]] == expected
    assert [value for _, value in data["nearest"][7]] == pytest.approx(cosines[expected], abs=5e-4)


def test_all_of_the_udhr_makes_a_small_page_that_asks_for_nothing() -> None:
    text = make_page(457).html()
    assert len(text.encode()) < 400_000
    assert not re.search(r'(src|href)="(?!data:)', text) and "url(" not in text and "import(" not in text
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name of XML, which nothing is fetched from"


# Runs after the page's own script; what it finds is read from the document.
CHECKS = """
const out = {}, root = document.getElementById("language_map");
const circles = [...root.querySelectorAll("circle")];
const visible = () => circles.filter((c) => c.style.display !== "none");
const [search] = root.querySelectorAll("input"), [colour, layout] = root.querySelectorAll("select");
const buttons = (label) => [...root.querySelectorAll("button")].find((b) => b.textContent === label);
const told = () => root.querySelector(".told").textContent;
const typed = (key) => new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
const press = (element, key) => element.dispatchEvent(typed(key));
const set = (select, value) => { select.value = value; select.dispatchEvent(new Event("change")); };
const legend = () => [...root.querySelectorAll(".legend button")];
out.points = circles.length;
out.legend = legend().map((b) => b.textContent);
out.labels = root.querySelectorAll("svg text").length;
circles[0].dispatchEvent(new PointerEvent("pointerenter"));
out.hovered = told();
search.value = "name 7"; search.dispatchEvent(new Event("input"));
out.found = circles.filter((c) => c.classList.contains("found")).map((c) => c.dataset.code);
press(search, "Enter");
out.focused = document.activeElement.dataset.code;
out.nearest = [...root.querySelectorAll(".nearest li")].map((li) => li.textContent);
out.lines = root.querySelectorAll("line").length;
press(document.activeElement, "Escape");
out.linesAfterEscape = root.querySelectorAll("line").length;
search.value = ""; search.dispatchEvent(new Event("input"));
circles[9].dispatchEvent(new MouseEvent("click", { bubbles: true }));
out.clicked = told();
out.clickedLines = root.querySelectorAll("line").length;
const before = document.activeElement;
press(circles[9], "ArrowLeft"); press(document.activeElement, "ArrowRight");
out.moved = document.activeElement !== before && document.activeElement.tagName === "circle";
press(document.activeElement, "Enter");
out.entered = told().startsWith(document.activeElement.getAttribute("aria-label").split(",")[0]);
legend()[0].click();
out.afterFilter = visible().length;
out.pressed = legend()[0].getAttribute("aria-pressed");
legend()[0].click();
press(document.activeElement, "Escape");
circles[9].dispatchEvent(new MouseEvent("click", { bubbles: true }));
out.linesWithout = {};
for (const entry of legend()) {
  entry.click();
  out.linesWithout[entry.textContent.split(" ")[0]] = root.querySelectorAll("line").length;
  entry.click();
}
const fill = circles[3].getAttribute("fill");
set(colour, "family");
out.recoloured = circles[3].getAttribute("fill") !== fill;
out.families = legend().map((b) => b.textContent);
const place = circles[3].getAttribute("cx");
buttons("+").click(); buttons("+").click();
out.zoomed = circles[3].getAttribute("cx") !== place;
buttons("Whole map").click();
out.back = circles[3].getAttribute("cx") === place;
set(layout, "globe");
out.onGlobe = visible().length;
const saved = [];
URL.createObjectURL = (blob) => { saved.push(blob); return "about:blank"; };
HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
buttons("Save CSV").click(); buttons("Save SVG").click();
out.names = saved.filter((one) => typeof one === "string");
out.requests = performance.getEntriesByType("resource").length;
out.bold = document.querySelectorAll("b").length;
Promise.all(saved.filter((one) => typeof one !== "string").map((blob) => blob.text())).then(([csv, svg]) => {
  out.csv = csv.split("\\r\\n").slice(0, 3); out.svg = svg;
  done(out);
});
"""


def test_it_works_in_a_browser(tmp_path: Path) -> None:
    text = make_page().html()
    found = run_in_browser(text, CHECKS, tmp_path)
    codes = list(list_codes("udhr"))[:30]
    assert found["errors"] == [] and found["requests"] == 0 and found["bold"] == 0
    assert found["points"] == 30 and found["labels"] > 10
    assert len(found["legend"]) == 9 and found["legend"][0] == "c0 (3)" and found["legend"][8].startswith("other (")
    assert NASTY in found["hovered"] and "0.125" in found["hovered"]
    assert found["found"] == [codes[7]] and found["focused"] == codes[7]
    assert len(found["nearest"]) == found["lines"] == 10 and found["linesAfterEscape"] == 0
    row, cosine = data_of(text)["nearest"][7][0]
    assert codes[row] in found["nearest"][0] and f"{cosine:.3f}" in found["nearest"][0]
    assert found["clicked"].startswith(f"Name 9 ({codes[9]})") and found["clickedLines"] == 10
    assert found["moved"] and found["entered"]
    assert found["afterFilter"] == 27 and found["pressed"] == "false"
    # No line goes to or from a language that is hidden; languages of the rare groups are hidden as one.
    sizes = Counter(clusters_of(30))
    coloured = sorted(sizes, key=lambda name: (-sizes[name], name))[:8]
    shown = [name if name in coloured else "other" for name in clusters_of(30)]
    nearest = [shown[row] for row, _ in data_of(text)["nearest"][9]]
    expected = {name: 0 if name == shown[9] else 10 - nearest.count(name) for name in set(shown)}
    assert found["linesWithout"] == expected and len(set(expected.values())) > 2
    assert found["recoloured"] and found["families"] == [f"{NASTY} (29)", "other (1)"]
    assert found["zoomed"] and found["back"] and found["onGlobe"] == 29
    assert found["names"] == ["languages.csv", "languages.svg"]
    assert found["csv"][1].startswith(f'"{codes[0]}","</script><b>""&\'<!--"') and '"\'=1+1"' in found["csv"][2]
    assert "<circle" in found["svg"] and "var(--" not in re.sub(r"style=\"[^\"]*\"", "", found["svg"])
