from __future__ import annotations

from pathlib import Path

import pytest

from hf_mplm.data.corpus.provenance import describe_sources
from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.shares import language_sizes
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "swh_Latn.txt").write_text("Habari ya asubuhi\nJambo dunia\n", encoding="utf-8")
    (folder / "amh_Ethi.txt").write_text("ሰላም ለዓለም\n", encoding="utf-8")
    return folder


def test_a_folder_is_told_by_its_name_and_the_licence_of_its_card(corpus: Path) -> None:
    assert describe_sources(corpus, []) == [{"name": "texts", "kind": "folder"}]
    for text, license in (
        ("---\nlicense: cc-by-4.0\n---\n# Texts\n", "cc-by-4.0"),
        ("---\nlicense: [cc0-1.0]\n---\n", "cc0-1.0"),
        ("---\nlicense: [a, b]\n---\n", None),
        ("---\nlicense: [\n---\n", None),
        ("---\n- a list\n---\n", None),
        ("license: mit\n", None),
    ):
        (corpus / "README.md").write_text(text, encoding="utf-8")
        (found,) = describe_sources([corpus], [])
        assert found.get("license") == license and found["name"] == "texts", text
    # Of a file its folder tells.
    (corpus / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    (found,) = describe_sources(corpus / "swh_Latn.txt", [])
    assert found == {"name": "swh_Latn.txt", "kind": "folder", "license": "mit"}


def test_a_store_tells_its_sources_and_what_a_tokenizer_makes_of_a_language(
    corpus: Path, tmp_path: Path, tiny_tokenizer_folder: Path
) -> None:
    (corpus / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    store = prepare_store(corpus, tiny_tokenizer_folder, tmp_path / "store", chunk_length=16)
    assert store.info["sources"] == [{"name": "texts", "kind": "folder", "license": "mit"}]
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    for code, lines in (("swh_Latn", ["Habari ya asubuhi", "Jambo dunia"]), ("amh_Ethi", ["ሰላም ለዓለም"])):
        sizes = language_sizes(store.info["languages"][code])
        tokens = sum(len(tokenizer(line, add_special_tokens=False).input_ids) for line in lines)
        assert sizes["sentences"] == len(lines) and sizes["tokens"] == tokens + 2 * len(lines)
        assert sizes["tokens_per_character"] == pytest.approx(tokens / sum(map(len, lines)), abs=1e-4)
    assert language_sizes(store.info["languages"]["amh_Ethi"])["unknown"] > 0.5
    assert language_sizes(store.info["languages"]["swh_Latn"])["unknown"] == 0


def test_a_pair_store_counts_the_sentences_in_their_own_script() -> None:
    counts = {"pairs": 10, "tokens": 70, "romanized_tokens": 500, "characters": 200, "holdout_pairs": 2}
    assert language_sizes(counts) == {"sentences": 10, "tokens": 70, "tokens_per_character": 0.25}
    assert language_sizes({"chunks": 3}) == {}
