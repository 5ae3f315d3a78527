from __future__ import annotations

from pathlib import Path

import pytest

from hf_mplm.languages import list_codes

from .reading import put, read


@pytest.mark.parametrize(
    "name, code",
    [
        ("sw/train.jsonl", "swh_Latn"),
        ("train/sw.jsonl", "swh_Latn"),
        ("swh/train.txt", "swh_Latn"),
        ("SW/A.TXT", "swh_Latn"),
        ("swh_Latn/train/0.txt", "swh_Latn"),
        ("pt-BR/a.txt", "por_Latn"),
        ("swh/dev.txt", "swh_Latn"),
        ("dev/swh.txt", "swh_Latn"),
        ("eng/swh_Latn.txt", "swh_Latn"),
        # `split` names its parts xaa, xab, ...
        ("sw/xaa.txt", "swh_Latn"),
        ("bible/xaa.txt", "xaa_Latn"),
        ("dev_Latn.txt", "dev_Latn"),
    ],
)
def test_a_path_names_its_language(name: str, code: str, tmp_path: Path) -> None:
    put(tmp_path, name, '{"text": "moja mbili"}\n' if name.endswith("jsonl") else "moja mbili\n")
    assert read(tmp_path)[0] == [(code, "moja mbili")]


def test_the_corpus_may_be_the_folder_of_one_language(tmp_path: Path) -> None:
    put(tmp_path, "swh_Latn/train.txt", "moja\n")
    assert read(tmp_path / "swh_Latn")[0] == read(tmp_path / "swh_Latn" / "train.txt")[0] == [("swh_Latn", "moja")]


@pytest.mark.parametrize(
    "word, language", [("dev", "Domung"), ("all", "Allar"), ("new", "Nepal Bhasa"), ("src", "Logudorese Sardinian")]
)
def test_what_parts_of_a_data_set_are_called_is_asked_about(word: str, language: str, tmp_path: Path) -> None:
    for name in ("eng", "swh", word):
        put(tmp_path, f"{name}.txt", "moja mbili\n")
    with pytest.raises(ValueError) as error:
        read(tmp_path)
    message = str(error.value)
    assert f"{word}.txt: '{word}' would be read as the code of {language}" in message
    for line in (
        f"mv {word}.txt {word}_",
        f"--languages {word}",
        f"mv {word}.txt swh/",
        "--languages eng_Latn swh_Latn",
    ):
        assert line in message, line
    # What was typed is done.
    assert {code for code, _ in read(tmp_path, languages=["eng", "swh"])[0]} == {"eng_Latn", "swh_Latn"}
    assert f"{word}_Latn" in {code for code, _ in read(tmp_path, languages=["eng", word])[0]}


@pytest.mark.parametrize("word", ["test", "train", "text", "data"])
def test_longer_names_are_no_codes(word: str, tmp_path: Path) -> None:
    put(tmp_path, f"{word}.txt", "moja\n")
    with pytest.raises(ValueError, match=f"'{word}' is not a language code(?s:.*)rename it"):
        read(tmp_path)


@pytest.mark.parametrize("source", ["flores200", "udhr"])
def test_a_folder_of_all_codes_without_scripts_is_read(source: str, tmp_path: Path) -> None:
    languages = sorted({code[:3] for code in list_codes(source)})
    for language in languages:
        put(tmp_path, f"{language}.txt", "moja mbili\n")
    assert len({code for code, _ in read(tmp_path)[0]}) == len(languages)
    # Among them, too, a split is no language.
    put(tmp_path, "dev.txt", "moja\n")
    with pytest.raises(ValueError, match="'dev' would be read as"):
        read(tmp_path)
