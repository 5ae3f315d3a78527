"""The card of static embeddings: what it tells is what the folder holds, and its lines run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from hf_mplm.hub.publishing import plan_publication
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.hub_mapping import LanguageMapping, map_to_hub, save_mapped
from hf_mplm.static.word_table import WordTable
from tests.static.test_mapping import make_words, rotation

from .test_card_languages import table_of


CODES = ("deu_Latn", "eng_Latn", "tha_Thai")
COUNT, WIDTH = 300, 16


def make_static(config: dict[str, Any] | None = None) -> StaticEmbeddings:
    """English, German as a rotation of it, and Thai, which has nothing to do with it; German has fewer words."""
    english = make_words(COUNT, WIDTH)
    unrelated = torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(5))
    tables = []
    for code, vectors in zip(CODES, ((english @ rotation(WIDTH))[: COUNT - 50], english, unrelated)):
        words = [f"{code[:3]}{place}" for place in range(len(vectors))]
        tables.append(WordTable(code, words, torch.arange(len(words), 0, -1).numpy(), vectors.numpy()))
    return StaticEmbeddings(tables, config)


def make_config(root: Path) -> dict[str, Any]:
    """What an extraction writes down, of an encoder that lies in a folder of this machine."""
    return {
        "encoder": str(root / "models" / "mini"),
        "revision": "xxh3:0123456789ab",
        "layer": 6,
        "extraction": {"method": "pooled", "min_count": 3},
        "segmenters": dict.fromkeys(CODES, "uax29"),
        "text": {code: {"sentences": 1000, "words": 8000, "known_words": 6000} for code in CODES},
        "sources": [
            {"name": "somebody/text", "kind": "hub", "revision": "a" * 40, "license": "cc-by-4.0"},
            {"name": "mine", "kind": "folder", "license": "cc-by-4.0"},
        ],
    }


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LanguageMapping]]:
    root = tmp_path_factory.mktemp("static")
    # One pair of which German has no word, and some of which Thai has none.
    pairs = {"deu_Latn": [(f"deu{n}", f"eng{n}") for n in (*range(120), 290)]}
    pairs["tha_Thai"] = [(f"tha{n}", f"eng{n}") for n in (*range(120), *range(1000, 1030))]
    found, results = map_to_hub(make_static(make_config(root)), "eng_Latn", pairs)
    save_mapped(found, root / "my vectors")
    return root / "my vectors", results


def test_a_language_has_its_words_their_share_of_the_text_and_what_mapping_gave(
    mapped: tuple[Path, list[LanguageMapping]],
) -> None:
    folder, (german, thai) = mapped
    assert german.mapped and not thai.mapped, "vacuity guard: one of each"
    header, *rows = table_of((folder / "README.md").read_text(encoding="utf-8"), "Words")
    assert header == ["language", "code", "words", "of its text", "pairs", "held-out words", "mapped"]
    gains = {one.language: f"{one.before:.3f} → {one.after:.3f}" for one in (german, thai)}
    assert rows == [
        ["German", "deu_Latn", "250", "75.0%", "120 of 121", gains["deu_Latn"], "yes"],
        ["English", "eng_Latn", "300", "75.0%", "–", "–", "the hub"],
        ["Thai", "tha_Thai", "300", "75.0%", "120 of 150", gains["tha_Thai"], "no"],
    ]


def test_encoder_settings_text_and_licence_are_told_and_no_place(mapped: tuple[Path, list[LanguageMapping]]) -> None:
    folder, _ = mapped
    card = ModelCard.load(folder / "README.md")
    for fact in (
        "850 word vectors of 16 dimensions, in 3 language-scripts, taken out of `mini`, in the space of eng_Latn",
        "- encoder: mini\n- revision: xxh3:0123456789ab\n- layer: 6\n",
        "- extraction: method: pooled\n- extraction: min count: 3\n",
        "- hub: eng_Latn\n- mode: supervised\n- method: orthogonal\n",
        "3,000 sentences, 24,000 words.",
        "(https://huggingface.co/datasets/somebody/text), revision `aaaaaaaaaaaa`, licence cc-by-4.0\n",
        "Licence: cc-by-4.0, that of the training text.",
        "Not mapped, because they do not gain: tha_Thai.",
    ):
        assert fact in card.text, fact
    assert str(folder.parent) not in card.content
    assert card.data.language == ["de", "en", "th"] and card.data.license == "cc-by-4.0"
    assert card.data.datasets == ["somebody/text"] and card.data.base_model is None
    assert card.data.library_name == "hf-mplm" and card.data.pipeline_tag == "feature-extraction"


def test_its_lines_run_as_they_stand(
    mapped: tuple[Path, list[LanguageMapping]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = mapped
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(folder.parent)
    made: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), made)
    static = StaticEmbeddings.from_pretrained(folder)
    # The word that is shown is of a language that was mapped, and its translation is found in the hub.
    assert (made["vector"] == static.vector("deu0", "deu_Latn")).all() and made["nearest"][0][0] == "eng0"
    assert made["sentences"].shape == (1, WIDTH) and made["sentences"].any()


def test_a_push_names_repository_licence_and_base(tmp_path: Path) -> None:
    config = make_config(tmp_path) | {"encoder": "somebody/encoder", "revision": "b" * 40}
    make_static(config).save_pretrained(tmp_path / "vectors")
    with plan_publication(tmp_path / "vectors", "me/vectors", license="mit") as publication:
        card = ModelCard(publication.card)
    assert 'from_pretrained("me/vectors")' in card.text and "Licence: mit.\n" in card.text
    assert card.data.base_model == "somebody/encoder" and card.data.license == "mit"
    header, *_ = table_of(card.text, "Words")
    assert header == ["language", "code", "words", "of its text"] and "## Mapping" not in card.text
    assert "No mapping was learnt" in card.text


def test_of_vectors_of_unknown_making_nothing_is_made_up(tmp_path: Path) -> None:
    make_static().select(["eng_Latn"]).save_pretrained(tmp_path / "vectors")
    card = ModelCard.load(tmp_path / "vectors" / "README.md")
    header, row = table_of(card.text, "Words")
    assert header == ["language", "code", "words"] and row == ["English", "eng_Latn", "300"]
    assert "No licence was given" in card.text and card.data.license is None
    assert not [heading for heading in ("## Making", "## Mapping", "None") if heading in card.text]


def test_a_card_of_one_language_of_a_mapped_folder_looks_for_no_hub(
    mapped: tuple[Path, list[LanguageMapping]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StaticEmbeddings.from_pretrained(mapped[0]).select(["deu_Latn"]).save_pretrained(tmp_path / "german")
    text = (tmp_path / "german" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert len(table_of(text, "Words")) == 2
