from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_mplm.evaluation.results import make_row
from hf_mplm.hub.cards import add_results_to_card, read_card
from hf_mplm.hub.mteb_export import export_mteb
from hf_mplm.hub.names import safe_name
from hf_mplm.jobs.files import DamagedError


HOSTILE = ["..", ".", "", "/etc/passwd", "../../x", "a\\..\\b", "con", "a\0b", "x" * 5000, "-rf", "日本" * 200, "a\nb"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_is_one_part_of_a_path(text: str) -> None:
    name = safe_name(text)
    assert name and name == Path(name).name and not name.startswith((".", "-")) and len(name.encode()) <= 210
    assert not set(name) & set('/\\\0\n:*?"<>|')


@pytest.mark.parametrize("text", HOSTILE)
def test_mteb_writes_inside_its_folder(text: str, tmp_path: Path) -> None:
    rows = [
        make_row(
            task="tatoeba", language="deu_Latn", metric=metric, value=0.5, n=1000, model=text, revision=text, layer=8,
            source_language="eng_Latn", direction="target->source", setting="plain",
        )
        for metric in ("f1", "accuracy@1")
    ]  # fmt: skip
    output = tmp_path / "deep" / "er" / "out"
    (path,) = export_mteb(rows, output).paths
    assert path.resolve().is_relative_to(output.resolve()) and len(path.relative_to(output).parts) == 3
    assert all(found.is_relative_to(output) for found in tmp_path.rglob("*") if found.is_file())


def test_cards_refuse_unlisted_tasks_and_broken_front_matter(tmp_path: Path) -> None:
    row = make_row(task="mine", language="deu_Latn", metric="f1", value=0.5, n=1, model="m")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n\n# m\n", encoding="utf-8")
    with pytest.raises(ValueError, match="'mine'"):
        add_results_to_card(tmp_path, [row])
    for text in ("---\na: [b\n---\n", "---\n- a\n---\n", "---\n1: a\n---\n"):
        (tmp_path / "README.md").write_text(text, encoding="utf-8")
        with pytest.raises(DamagedError, match="front matter") as error:
            read_card(tmp_path)
        assert "\n" not in str(error.value)


def test_a_card_escapes_what_it_quotes(tmp_path: Path) -> None:
    row = make_row(task="sib200", language="deu_Latn", metric="a|b<script>", value=0.5, n=1, model="m")
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n\n# m\n", encoding="utf-8")
    add_results_to_card(tmp_path, [row], name="x: {\n---\n")
    card = ModelCard.load(tmp_path / "README.md")
    assert r"a\|b&lt;script>" in card.text and card.data.model_name == "x: {\n---\n"
