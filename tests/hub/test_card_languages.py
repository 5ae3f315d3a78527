"""The languages and limits of a card: what stands in them is computed from what lies in the folder."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from safetensors.numpy import save_file

from hf_mplm.evaluation.chance import chance_level, is_at_chance
from hf_mplm.evaluation.results import make_row
from hf_mplm.hub.cards import add_results_to_card, write_model_card
from hf_mplm.hub.cards.languages import LanguageFacts, by_need, shorten_number
from hf_mplm.hub.cards.limits import find_limits
from hf_mplm.hub.cards.sections import read_digests, section_digests
from hf_mplm.hub.publish_metadata import check_metadata
from hf_mplm.report.loss_curve import loss_curve, loss_series

from .card_pages import card_page
from .many_languages import make_checkpoint, make_overlap, make_rows


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two hundred languages, measured and audited."""
    folder = tmp_path_factory.mktemp("cards") / "many"
    codes = make_checkpoint(folder)
    make_overlap(folder, codes[30])
    write_model_card(folder)
    add_results_to_card(folder, make_rows(codes))
    return folder, codes


def table_of(card: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading."""
    part = card.split(f"## {heading}\n", 1)[1]
    lines = re.findall(r"^\|.*\|$", part.split("\n## ", 1)[0], re.MULTILINE)
    block = "\n".join(lines)
    assert block
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= {"-", ":"}]


def test_every_language_has_a_row_of_what_is_known_of_it(many: tuple[Path, list[str]]) -> None:
    folder, codes = many
    header, *rows = table_of((folder / "README.md").read_text(encoding="utf-8"), "Languages")
    expected = [
        "language",
        "code",
        "sentences",
        "tokens",
        "drawn",
        "per char.",
        "unknown",
        "loss",
        "sib200",
        "tatoeba",
    ]
    assert header == expected and sorted(row[1] for row in rows) == sorted(codes)
    told = json.loads((folder / "hf_mplm.json").read_text(encoding="utf-8"))["languages"]
    losses = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"][-1]
    scores = {(row.task, row.metric, row.language): row.value for row in make_rows(codes)}
    for name, code, sentences, _, _, per, unknown, loss, topic, found in rows:
        assert name and sentences == shorten_number(told[code]["sentences"])
        assert per == f"{told[code]['tokens_per_character']:.2f}" and unknown == f"{told[code]['unknown']:.1%}"
        assert loss == f"{losses[f'eval_loss_{code}']:.2f}"
        # English is the source, whose own score stands apart.
        assert topic == ("–" if code == "eng_Latn" else f"{scores['sib200', 'macro_f1', code]:.3f}")
        assert found == ("–" if code == "eng_Latn" else f"{scores['tatoeba', 'accuracy@10', code]:.3f}")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "<details><summary>All 200 languages</summary>" in text


def test_need_is_little_text_unknown_characters_and_low_scores() -> None:
    languages = [
        LanguageFacts("eng_Latn", tokens=1000, unknown=0.0, scores={"a": 0.9}),
        LanguageFacts("tha_Thai", tokens=100, unknown=0.0, scores={"a": 0.5}),
        LanguageFacts("amh_Ethi", tokens=10, unknown=0.9, scores={"a": 0.1}),
        LanguageFacts("wol_Latn", is_trained=False, tokens=0, scores={"a": 0.6}),
    ]
    # By hand, places from 0 to 1: tokens 1, 2/3, 1/3, 0; unknown 3/4, 3/4, 0; scores 1, 1/3, 0, 2/3.
    assert [one.code for one in by_need(languages)] == ["amh_Ethi", "wol_Latn", "tha_Thai", "eng_Latn"]
    assert [one.code for one in by_need(languages[::-1])] == ["amh_Ethi", "wol_Latn", "tha_Thai", "eng_Latn"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), (0, "0"), (999, "999"), (1000, "1k"), (12345, "12.3k"), (999_499, "999k"), (4_560_000, "4.56M")],
)
def test_counts_are_short(value: int | None, text: str | None) -> None:
    assert shorten_number(value) == text


def test_chance_is_what_guessing_gives() -> None:
    assert chance_level("sib200", "accuracy", 204) == pytest.approx(1 / 7)
    assert chance_level("tatoeba", "accuracy@10", 1000) == pytest.approx(0.01)
    assert chance_level("ner", "f1", 100) is None and chance_level("my own", "accuracy", 100) is None
    # Of 204 answers among seven, guessing has a standard error of 0.0245.
    assert is_at_chance("sib200", "accuracy", 1 / 7 + 0.048, 204)
    assert not is_at_chance("sib200", "accuracy", 1 / 7 + 0.050, 204)
    guesses = np.random.default_rng(0).integers(0, 7, (2000, 204)) == 0
    assert 0.95 < np.mean([is_at_chance("sib200", "accuracy", share, 204) for share in guesses.mean(axis=1)]) < 0.995


def test_limits_are_computed(many: tuple[Path, list[str]]) -> None:
    folder, codes = many
    limits = (folder / "README.md").read_text(encoding="utf-8").split("## Limits", 1)[1].split("<!--", 1)[0]
    told = json.loads((folder / "hf_mplm.json").read_text(encoding="utf-8"))["languages"]
    few = sum(counts["sentences"] < 30_000 for counts in told.values())
    assert f"{few} of 200 language-scripts have fewer than 30,000 sentences" in limits
    lost = sum(counts["unknown"] > 0.03 for counts in told.values())
    assert "more than 3% of the characters of" in limits and f"and {lost - 12} more." in limits
    assert "sib200 (macro_f1) in 20 of 199" in limits
    assert f"sib200 {codes[30]} (25.0%)" in limits and "Of 1 of 2 test sets" in limits


def test_no_limit_is_told_that_is_not_there() -> None:
    fine = LanguageFacts("eng_Latn", sentences=10**6, tokens=10**8, draws=5, unknown=0.0, held_out=2.0)
    row = make_row(task="sib200", metric="accuracy", setting="zero-shot", language="deu_Latn", value=0.9, n=204,
                   source_language="eng_Latn", model="m")  # fmt: skip
    clean = {"rows": [{"task": "sib200", "language": "deu_Latn", "exact": 0.0}]}
    assert find_limits([fine], [row], clean) == [
        "No sentence of 1 test set (task and language) stands in the training text whole (`hf-mplm audit`)."
    ]
    lines = " ".join(find_limits([LanguageFacts("eng_Latn", draws=0)], [], None))
    for words in ("Nothing was drawn", "No held-out loss", "No task was measured", "was not looked for"):
        assert words in lines


def test_fertility_is_compared_within_kinds_of_writing() -> None:
    letters = [LanguageFacts(f"{code}_Latn", tokens_per_character=0.25) for code in ("eng", "deu", "fra", "spa")]
    torn = LanguageFacts("amh_Ethi", tokens_per_character=0.9)
    dense = [LanguageFacts(code, tokens_per_character=0.8) for code in ("zho_Hans", "jpn_Jpan", "kor_Hang")]
    (line,) = [one for one in find_limits([*letters, torn, *dense], [], None) if "tokens a character" in one]
    assert "amh_Ethi (3.6 times)" in line and "zho" not in line


def test_metadata_name_data_licence_and_what_was_measured(many: tuple[Path, list[str]]) -> None:
    folder, _ = many
    card = ModelCard.load(folder / "README.md")
    data = card.data.to_dict()
    assert data["datasets"] == ["somebody/text"] and data["license"] == "cc-by-4.0"
    assert data["base_model"] == "FacebookAI/xlm-roberta-base" and data["base_model_relation"] == "finetune"
    assert {one.dataset_type for one in card.data.eval_results} == {"sib200", "tatoeba"}
    for fact in ("revision `0123456789ab`", "recipe: langsamp", "14 h 13 min", "13.2 kWh", "alpha: 0.3"):
        assert fact in card.text, fact


def test_what_mteb_shares_is_written_as_the_hub_reads_it(many: tuple[Path, list[str]]) -> None:
    folder, _ = many
    entries = yaml.safe_load((folder / ".eval_results" / "tatoeba.yaml").read_text(encoding="utf-8"))
    assert {"dataset": {"id": "mteb/tatoeba-bitext-mining", "task_id": "swh-eng"}}.items() <= next(
        entry for entry in entries if entry["dataset"]["task_id"] == "swh-eng"
    ).items()
    parser = pytest.importorskip("huggingface_hub._eval_results")  # of huggingface_hub 2
    parsed = parser.parse_eval_result_entries(entries)
    assert len(parsed) == len(entries) > 50 and {one.notes for one in parsed} == {"layer 8"}
    assert parser.eval_result_entries_to_yaml(parsed) == entries
    assert not (folder / ".eval_results" / "sib200.yaml").exists()


def test_scores_are_those_of_the_weights_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "few"
    codes = make_checkpoint(folder, 5)
    write_model_card(folder)
    add_results_to_card(folder, make_rows(codes))
    written = (folder / "README.md").read_text(encoding="utf-8")
    # Drawn anew it is the same, scores included.
    write_model_card(folder)
    assert table_of((folder / "README.md").read_text(encoding="utf-8"), "Languages") == table_of(written, "Languages")
    assert "<details><summary>All" not in written
    save_file({"weight": np.ones(4, np.float32)}, folder / "model.safetensors")
    write_model_card(folder)
    header, *_ = table_of((folder / "README.md").read_text(encoding="utf-8"), "Languages")
    assert "sib200" not in header


def test_the_curve_is_small_and_says_what_it_shows() -> None:
    history = [{"step": step, "loss": 5.0 - step / 1e5} for step in range(1, 100_000)]
    history += [{"step": 50_000, "eval_loss": 4.25}, {"step": 7, "loss": float("nan")}, {"train_runtime": 3.0}]
    picture = loss_curve(loss_series(history))
    root = ElementTree.fromstring(picture)
    name = "{http://www.w3.org/2000/svg}"
    lines = [line.attrib["points"].split() for line in root.iter(f"{name}polyline")]
    assert len(lines) == 2 and 300 < len(lines[0]) <= 400 and len(lines[1]) == 1 and len(picture) < 12_000
    assert [float(points.split(",")[0]) for points in lines[0]] == sorted(float(p.split(",")[0]) for p in lines[0])
    # Loss falls, and y grows downwards, within the frame.
    heights = [float(point.split(",")[1]) for point in lines[0]]
    assert heights == sorted(heights) and 34 <= min(heights) and max(heights) <= 276
    assert "held out 4.250" in root.find(f"{name}title").text  # type: ignore[union-attr,operator]
    assert loss_series([{"train_runtime": 1.0}]) == {}
    loss_curve({"training": [(5.0, 2.0)]})


SIZES = """
const out = { width: innerWidth, page: document.documentElement.scrollWidth, tables: [] };
for (const box of document.querySelectorAll(".scroll")) {
  const cells = [...box.querySelectorAll("td, th")];
  out.tables.push({ box: box.getBoundingClientRect().right, rows: box.querySelectorAll("tr").length,
    inner: box.scrollWidth, lines: Math.max(...cells.map((c) => c.getBoundingClientRect().height)) });
}
out.folded = [...document.querySelectorAll("details")].filter((one) => !one.open).length;
const pre = document.createElement("pre");
pre.id = "result"; pre.textContent = JSON.stringify(out); pre.style.display = "none";
document.body.append(pre);
"""


@pytest.mark.parametrize("width", [1280, 500])
def test_two_hundred_languages_stay_readable(many: tuple[Path, list[str]], tmp_path: Path, width: int) -> None:
    browser = os.environ.get("HF_MPLM_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs chromium (Debian's package, or HF_MPLM_CHROMIUM=/path/to/it)")
    pytest.importorskip("markdown_it", reason="needs markdown-it-py, which huggingface_hub 2 brings along")
    folder, _ = many
    page = card_page((folder / "README.md").read_text(encoding="utf-8"), is_open=True)
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", f"<script>{SIZES}</script></body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    (result,) = re.findall(r'<pre id="result"[^>]*>(.*?)</pre>', done.stdout, re.DOTALL)
    found = json.loads(html.unescape(result))
    # The page stays within the window, and wide tables scroll within it; no row is higher than three lines.
    assert found["page"] <= found["width"] == width, found
    languages = found["tables"][0]
    assert languages["rows"] == 201 and languages["lines"] < 80 and languages["box"] <= width
    assert languages["inner"] < 900


@pytest.mark.parametrize("card", sorted((Path(__file__).parents[2] / "model_cards").glob("*/README.md")))
def test_cards_of_this_project_s_own_checkpoints_are_drawn_by_this_code(card: Path) -> None:
    text = card.read_text(encoding="utf-8")
    check_metadata(text, card)
    _, sections, body = read_digests(text)
    assert {"use", "languages", "training", "limits", "versions"} <= set(sections)
    # As it was drawn, but for what stands around our sections.
    assert section_digests(body).keys() == sections.keys()
    for name in re.findall(r"\]\((\w[\w.-]*)\)", text):
        assert (card.parent / name).is_file(), name
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work)/", text)
