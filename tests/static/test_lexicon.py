from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from scipy.stats import chi2_contingency

from hf_mplm.cli.main import main
from hf_mplm.evaluation.files.records import DataError
from hf_mplm.static import dictionaries
from hf_mplm.static.lexicon import extract_lexicon, log_likelihood_ratio
from hf_mplm.static.parallel import read_parallel
from hf_mplm.static.words import segment_words, segmenter_name


@pytest.mark.parametrize("table", [(10, 20, 15, 100), (3, 3, 3, 50), (12, 40, 30, 60), (5, 5, 50, 50)])
def test_the_ratio_is_scipys(table: tuple[int, int, int, int]) -> None:
    together, source, target, n = table
    cells = [[together, source - together], [target - together, n - source - target + together]]
    if any(sum(row) == 0 for row in [*cells, *zip(*cells)]):
        assert log_likelihood_ratio(*table) == pytest.approx(0, abs=1e-9)
        return
    expected = chi2_contingency(cells, correction=False, lambda_="log-likelihood").statistic
    assert log_likelihood_ratio(*table) == pytest.approx(expected)


SENTENCES = [
    ("The house is big.", "Nyumba ni kubwa."),
    ("The house is old.", "Nyumba ni zee."),
    ("A house of stone", "Nyumba ya mawe"),
    ("The dog is big.", "Mbwa ni mkubwa."),
    ("My dog sleeps", "Mbwa wangu analala"),
    ("A dog of the house", "Mbwa wa nyumba"),
]


def test_words_that_stand_together_are_found() -> None:
    found = {pair.source: pair.target for pair in extract_lexicon(SENTENCES, "eng_Latn", "swh_Latn", min_count=3)}
    assert found["house"] == "nyumba" and found["dog"] == "mbwa"
    assert "stone" not in found and "sleeps" not in found
    # Shuffled translations leave nothing of it.
    shuffled = [(left, SENTENCES[(i + 3) % 6][1]) for i, (left, _) in enumerate(SENTENCES)]
    lost = {pair.source: pair.target for pair in extract_lexicon(shuffled, "eng_Latn", "swh_Latn", min_count=3)}
    assert lost.get("house") != "nyumba" and lost.get("dog") != "mbwa"
    with pytest.raises(ValueError, match="no sentence pair"):
        extract_lexicon([], "eng_Latn", "swh_Latn")


def test_files_are_paired_by_line_or_by_id(tmp_path: Path, capsys) -> None:
    for suffix, form in ((".txt", "{1}\n"), (".tsv", "v{0}\t{1}\n")):
        for side, code in enumerate(("eng_Latn", "swh_Latn")):
            lines = [form.format(i, pair[side]) for i, pair in enumerate(SENTENCES)]
            (tmp_path / f"{code}{suffix}").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "swh_Latn.tsv").write_text((tmp_path / "swh_Latn.tsv").read_text() + "v99\tPeke yake\n")
    for suffix, alone in ((".txt", 0), (".tsv", 1)):
        files = [tmp_path / f"eng_Latn{suffix}", tmp_path / f"swh_Latn{suffix}"]
        pairs, first, second, unpaired = read_parallel(files)
        assert (pairs, first, second, unpaired) == (SENTENCES, "eng_Latn", "swh_Latn", alone)
        assert main(["static", "lexicon", "--parallel", *map(str, files), "--output", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out" / "eng_Latn-swh_Latn.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[:2] for line in lines if line.startswith("dog")] == [["dog", "mbwa"]]
    assert "1 sentences have no partner" in capsys.readouterr().out
    (tmp_path / "swh_Latn.txt").write_text("moja\n", encoding="utf-8")
    with pytest.raises(DataError, match="has 6 lines and .* 1: they are not aligned"):
        read_parallel([tmp_path / "eng_Latn.txt", tmp_path / "swh_Latn.txt"])
    with pytest.raises(ValueError, match="takes two files"):
        read_parallel([tmp_path / "eng_Latn.txt"])


@pytest.mark.parametrize(
    "text, language, words",
    [
        ("Don't stop, l'homme!", "eng_Latn", ["don't", "stop", "l'homme"]),
        ("3.14 ist Pi – fast", "deu_Latn", ["3.14", "ist", "pi", "fast"]),
        ("Işık İstanbul", "tur_Latn", ["ışık", "istanbul"]),
        ("ISIK", "eng_Latn", ["isik"]),
        ("e\u0301te\u0301", "fra_Latn", ["\u00e9t\u00e9"]),
    ],
)
def test_words_are_unicodes(text: str, language: str, words: list[str]) -> None:
    assert segment_words(text, language) == words
    assert segmenter_name(language) == "uax29"


@pytest.mark.parametrize(
    "text, language",
    [("มนุษย์ทุกคนเกิดมามีอิสระ", "tha_Thai"), ("人人生而自由", "zho_Hans"), ("すべての人間は自由である", "jpn_Jpan")],
)
def test_text_without_blanks_is_split_by_icus_dictionaries(text: str, language: str) -> None:
    pytest.importorskip("icu4py", reason="needs the extra [static]")
    words = segment_words(text, language)
    assert len(words) > 2 and "".join(words) == text
    assert segmenter_name(language).startswith("icu:")


def test_a_table_with_named_columns_is_read_by_its_text(tmp_path: Path) -> None:
    for side, code in enumerate(("eng_Latn", "swh_Latn")):
        rows = [f"{i}\tscience/technology\t{pair[side]}\n" for i, pair in enumerate(SENTENCES)]
        if code == "swh_Latn":
            rows = [*rows[::-1], "3\ttravel\tMara ya pili\n", "9\ttravel\t \n"]
        (tmp_path / f"{code}.tsv").write_text("index_id\tcategory\ttext\n" + "".join(rows), encoding="utf-8")
    files = [tmp_path / "eng_Latn.tsv", tmp_path / "swh_Latn.tsv"]
    pairs, _, _, unpaired = read_parallel(files)
    assert pairs == SENTENCES and unpaired == 2  # an id that repeats, and a blank sentence
    for text, told in (
        ("1\tscience\tThe house\n", "eng_Latn.tsv:1 has 3 columns, and the first line names none; needed are an id"),
        ("1\tThe house\n2 The dog\n", "eng_Latn.tsv:2 has 1 columns"),
        ("index_id\tcategory\n1\tscience\n", "names the columns index_id, category; needed .* text or sentence"),
        ("category\ttext\nscience\tThe house\n", "names the columns category, text; needed .* index_id or id"),
        ("id\ttext\n1\tThe house\t2\n", "eng_Latn.tsv:2 has 3 fields instead of 2"),
    ):
        files[0].write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=told):
            read_parallel(files)
    (tmp_path / "eng_Latn.txt").write_text("The house\n", encoding="utf-8")
    with pytest.raises(DataError, match="give two .tsv files, or none"):
        read_parallel([tmp_path / "eng_Latn.txt", files[1]])


def test_names_that_say_both_languages_say_the_one_of_the_file(tmp_path: Path) -> None:
    files = [tmp_path / f"tatoeba.ell-eng.{code}" for code in ("ell", "eng")]
    for file in files:
        file.write_text("ena\n", encoding="utf-8")
    assert read_parallel(files)[1:3] == ("ell_Grek", "eng_Latn")
    files[0].rename(tmp_path / "bible.ell")
    with pytest.raises(ValueError, match="--languages CODE CODE"):
        read_parallel([tmp_path / "bible.ell", files[1]])


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for side, code in enumerate(("eng_Latn", "swh_Latn")):
        (tmp_path / f"{code}.txt").write_text("".join(f"{pair[side]}\n" for pair in SENTENCES), encoding="utf-8")

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(dictionaries, "write_pairs", full)
    files = [str(tmp_path / f"{code}.txt") for code in ("eng_Latn", "swh_Latn")]
    assert main(["static", "lexicon", "--parallel", *files, "--output", str(tmp_path / "out")]) != 0
    assert "Free some space and repeat the same command." in capsys.readouterr().err
