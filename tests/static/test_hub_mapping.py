from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_mplm.cli.main import main
from hf_mplm.evaluation.files.records import DataError
from hf_mplm.jobs.digests import find_damage
from hf_mplm.jobs.files import DamagedError
from hf_mplm.static import hub_mapping
from hf_mplm.static.dictionaries import languages_of, locate_pairs, read_pairs, seed_overlap
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.first_dictionary import _hold_out
from hf_mplm.static.hub_mapping import MappingSettings, map_to_hub
from hf_mplm.static.mapping import normalise_vectors
from hf_mplm.static.self_learning import SelfLearning
from hf_mplm.static.word_table import WordTable

from .test_mapping import make_words, rotation


N, WIDTH = 400, 16


def table(language: str, prefix: str, vectors: torch.Tensor) -> WordTable:
    words = [f"{prefix}{i}" for i in range(len(vectors))]
    return WordTable(language, words, np.arange(len(words), 0, -1), vectors.numpy())


@pytest.fixture(scope="module")
def static() -> StaticEmbeddings:
    """English, German as a rotation of it with a little noise, and Thai, which has nothing to do with it."""
    english = make_words(N, WIDTH)
    noise = 0.1 * torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(4))
    unrelated = torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(5))
    return StaticEmbeddings(
        [
            table("eng_Latn", "e", english),
            table("deu_Latn", "d", english @ rotation(WIDTH) + noise),
            table("tha_Thai", "t", unrelated),
        ]
    )


def pairs(prefix: str, n: int = 120) -> list[tuple[str, str]]:
    return [(f"{prefix}{i}", f"e{i}") for i in range(n)]


def test_what_gains_is_mapped_and_what_does_not_stays(static: StaticEmbeddings) -> None:
    mapped, results = map_to_hub(static, "eng_Latn", {"deu_Latn": pairs("d"), "tha_Thai": pairs("t")})
    german, thai = results
    assert german.mapped and german.judged_by == "held-out words" and german.before < 0.2 < 0.9 < german.after
    assert not thai.mapped and thai.after <= thai.before
    # The hub does not move: once normalised it is the same to the last bit.
    hub = normalise_vectors(torch.from_numpy(static.table("eng_Latn").vectors))
    assert (torch.from_numpy(mapped.table("eng_Latn").vectors) == hub).all()
    thai_words = normalise_vectors(torch.from_numpy(static.table("tha_Thai").vectors))
    assert (torch.from_numpy(mapped.table("tha_Thai").vectors) == thai_words).all()
    right = [mapped.nearest(f"d{i}", "deu_Latn", in_language="eng_Latn", k=1)[0][0] == f"e{i}" for i in range(200, N)]
    wrong = [static.nearest(f"d{i}", "deu_Latn", in_language="eng_Latn", k=1)[0][0] == f"e{i}" for i in range(200, N)]
    assert np.mean(right) > 0.9 > 0.2 > np.mean(wrong)
    assert mapped.config["mapping"]["hub"] == "eng_Latn"
    assert [entry["mapped"] for entry in mapped.config["mapping"]["languages"]] == [True, False]


def test_a_small_dictionary_judges_by_all_its_words() -> None:
    """Of words that are near each other already, with more dimensions than pairs, a rotation turns the rest away."""
    english = make_words(N, 64)
    noise = 2.0 * torch.randn(N, 64, generator=torch.Generator().manual_seed(6))
    static = StaticEmbeddings([table("eng_Latn", "e", english), table("deu_Latn", "d", english + noise)])
    _, (result,) = map_to_hub(static, "eng_Latn", {"deu_Latn": pairs("d", 50)})
    assert not result.mapped and result.judged_on == result.pairs == 50 and result.after < result.before - 0.1
    # Where a tenth is enough it judges alone.
    _, (result,) = map_to_hub(
        static, "eng_Latn", {"deu_Latn": pairs("d", 50)}, MappingSettings(mode="semi-supervised")
    )
    assert 0 < result.judged_on < 15


def test_splits_are_disjoint_and_end_where_there_are_enough() -> None:
    located = torch.stack([torch.arange(300) // 2, torch.arange(300)], dim=1)
    splits = _hold_out(located, 0.1, 500)
    assert len(splits) == 10 and sorted(row for _, judges in splits for row in judges[:, 1].tolist()) == list(
        range(300)
    )
    for fitted_on, judges in splits:
        assert not set(fitted_on[:, 0].tolist()) & set(judges[:, 0].tolist()) and len(fitted_on) + len(judges) == 300
    assert len(_hold_out(located, 0.1, 20)) == 2 and len(_hold_out(located, 0.1, 1)) == 1
    assert len(_hold_out(located, 0.0, 500)[0][1]) == len(_hold_out(located[:1], 0.1, 500)[0][1]) == 0


def test_languages_can_be_chosen(static: StaticEmbeddings, tmp_path: Path, capsys) -> None:
    static.save_pretrained(tmp_path / "static")
    (tmp_path / "en-de.tsv").write_text("".join(f"{e}\t{d}\n" for d, e in pairs("d")), encoding="utf-8")
    command = ["static", "map", "--static", str(tmp_path / "static"), "--dictionary", str(tmp_path / "en-de.tsv")]
    command += ["--output", str(tmp_path / "mapped")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "no dictionary of tha_Thai" in told and "--languages deu_Latn" in told
    assert main([*command, "--languages", "deu_Latn"]) == 0
    assert capsys.readouterr().out.count("deu_Latn -> eng_Latn") == 1
    assert StaticEmbeddings.from_pretrained(tmp_path / "mapped").languages == ["deu_Latn", "eng_Latn"]
    assert main([*command, "--languages", "swh_Latn"]) == 2
    assert "no word vectors of swh_Latn; there are those of deu_Latn" in capsys.readouterr().err


def test_few_pairs_serve_when_more_are_learnt(static: StaticEmbeddings) -> None:
    small = StaticEmbeddings([static.table("eng_Latn"), static.table("deu_Latn")])
    learning = SelfLearning(patience=3)
    given = {"deu_Latn": pairs("d", 8)}
    settings = MappingSettings(mode="semi-supervised", self_learning=learning, held_out=0)
    learnt, (result,) = map_to_hub(small, "eng_Latn", given, settings)
    assert result.mapped and result.pairs == 2 * N and result.judged_by == "mutual neighbours"
    plain, _ = map_to_hub(small, "eng_Latn", given, MappingSettings(held_out=0))

    def share(vectors: StaticEmbeddings) -> float:
        found = [vectors.nearest(f"d{i}", "deu_Latn", in_language="eng_Latn", k=1)[0][0] for i in range(N)]
        return float(np.mean([word == f"e{i}" for i, word in enumerate(found)]))

    assert share(learnt) > 0.9 > share(plain)


def test_two_extractions_of_the_same_words_map_onto_each_other() -> None:
    """As two seeds of the training give them: the same words, turned, with noise of their own."""
    words = make_words(N, WIDTH)
    tables = []
    for seed, language in ((11, "eng_Latn"), (12, "deu_Latn")):
        noise = 0.2 * torch.randn(N, WIDTH, generator=torch.Generator().manual_seed(seed))
        tables.append(table(language, "w", words @ rotation(WIDTH, seed) + noise))
    settings = MappingSettings(mode="identical", self_learning=SelfLearning(patience=3))
    mapped, (result,) = map_to_hub(StaticEmbeddings(tables), "eng_Latn", settings=settings)

    def same(vectors: StaticEmbeddings) -> float:
        found = [vectors.nearest(f"w{i}", "deu_Latn", in_language="eng_Latn", k=1)[0][0] for i in range(N)]
        return float(np.mean([word == f"w{i}" for i, word in enumerate(found)]))

    assert result.mapped and result.judged_by == "mutual neighbours"
    assert same(mapped) > 0.99 and same(StaticEmbeddings(tables)) < 0.1


def test_a_dictionary_judges_where_the_mode_needs_none(static: StaticEmbeddings) -> None:
    small = StaticEmbeddings([static.table("eng_Latn"), static.table("deu_Latn")])
    settings = MappingSettings(mode="unsupervised", self_learning=SelfLearning(patience=3))
    mapped, (result,) = map_to_hub(small, "eng_Latn", {"deu_Latn": pairs("d")}, settings)
    assert (result.judged_by, result.judged_on) == ("held-out words", 120)
    # A dictionary that is wrong tells against the same map, which is then not made.
    wrong = {"deu_Latn": [(f"d{i}", f"e{i + 7}") for i in range(120)]}
    unmapped, (other,) = map_to_hub(small, "eng_Latn", wrong, settings)
    assert result.mapped and result.after > 0.9 and not other.mapped and other.after <= other.before
    assert (unmapped.table("deu_Latn").vectors != mapped.table("deu_Latn").vectors).any()


def test_vectors_are_written_over_only_where_that_is_asked(static: StaticEmbeddings) -> None:
    dictionaries = {"deu_Latn": pairs("d"), "tha_Thai": pairs("t")}
    before = {code: one.vectors.copy() for code, one in static.tables.items()}
    expected, _ = map_to_hub(static, "eng_Latn", dictionaries)
    assert all((static.table(code).vectors == vectors).all() for code, vectors in before.items())
    own = StaticEmbeddings([one.with_vectors(one.vectors.copy()) for one in static.tables.values()])
    found, _ = map_to_hub(own, "eng_Latn", dictionaries, overwrite=True)
    for code in static.languages:
        assert (found.table(code).vectors == expected.table(code).vectors).all()
        assert np.shares_memory(found.table(code).vectors, own.table(code).vectors)


def test_pairs_that_a_language_was_mapped_by_are_known(static: StaticEmbeddings) -> None:
    mapped, _ = map_to_hub(static, "eng_Latn", {"deu_Latn": pairs("d"), "tha_Thai": pairs("t")})
    asked = [("D3", "e3"), ("d3", "e4"), ("d300", "e300")]
    assert seed_overlap(mapped.config, "deu_Latn", asked) == [("D3", "e3")]
    assert not seed_overlap(mapped.config, "tha_Thai", asked) and not seed_overlap({}, "deu_Latn", asked)


def test_what_cannot_be_mapped_is_told_with_both_sides_words(static: StaticEmbeddings) -> None:
    with pytest.raises(
        ValueError, match="no dictionary of deu_Latn, tha_Thai and eng_Latn, which --mode supervised needs"
    ):
        map_to_hub(static, "eng_Latn")
    cyrillic = {"deu_Latn": [("дом", "e0"), ("дым", "e1")], "tha_Thai": pairs("t")}
    with pytest.raises(ValueError, match="has 'дом', 'дым' and no others, the vectors 'd0'.*the case, the script"):
        map_to_hub(static, "eng_Latn", cyrillic)
    with pytest.raises(ValueError, match="no word in common"):
        map_to_hub(static, "eng_Latn", settings=MappingSettings(mode="identical"))
    with pytest.raises(ValueError, match="no numeral in common"):
        map_to_hub(static, "eng_Latn", settings=MappingSettings(mode="numerals"))
    with pytest.raises(ValueError, match="would end in as many spaces"):
        map_to_hub(static, "eng_Latn", settings=MappingSettings(method="multi-step"))
    with pytest.raises(ValueError, match="no language to map"):
        map_to_hub(StaticEmbeddings([static.table("eng_Latn")]), "eng_Latn")
    with pytest.raises(ValueError, match="no word vectors of swh_Latn; .*--hub_language deu_Latn"):
        map_to_hub(static, "swh_Latn")
    with pytest.raises(ValueError, match="dictionaries of swh_Latn, of which there are no vectors"):
        map_to_hub(static, "eng_Latn", {"swh_Latn": pairs("s")})
    for device in ("mps", "magic"):
        with pytest.raises(ValueError, match=f"{device}.*--device cpu"):
            map_to_hub(static, "eng_Latn", {"deu_Latn": pairs("d"), "tha_Thai": pairs("t")}, device=device)
    with pytest.raises(ValueError, match="ridge is -1"):
        MappingSettings(ridge=-1)
    for flag in ({"ridge": 0.01}, {"dimensions": 8}):
        with pytest.raises(ValueError, match=f"{next(iter(flag))} is .* needs --method multi-step"):
            MappingSettings(**flag)
        assert MappingSettings(method="multi-step", **flag)
    with pytest.raises(ValueError, match="choose of supervised"):
        MappingSettings(mode="magic")


@pytest.mark.parametrize("mode", ["supervised", "identical", "numerals"])
def test_a_language_without_a_pair_is_told_before_anything_is_computed(
    static: StaticEmbeddings, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Thai, the last one, shares a word and a numeral with English; German, the first, nothing.
    thai = static.table("tha_Thai")
    tables = [static.table("deu_Latn"), replace(thai, words=["e1", "7", *thai.words[2:]])]
    tables.append(replace(static.table("eng_Latn"), words=["7", *static.table("eng_Latn").words[1:]]))
    computed: list[str] = []
    monkeypatch.setattr(hub_mapping, "_normalised", lambda *given: computed.append("normalised"))
    given = {"deu_Latn": [("дом", "e0")], "tha_Thai": pairs("t")} if mode == "supervised" else {}
    told = "deu_Latn and eng_Latn .*; or leave out what has none: --languages tha_Thai$"
    with pytest.raises(ValueError, match=told):
        map_to_hub(StaticEmbeddings(tables), "eng_Latn", given, MappingSettings(mode=mode))
    assert not computed


def test_pairs_that_are_held_out_are_named_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    english = make_words(N, 40)
    static = StaticEmbeddings([table("eng_Latn", "e", english), table("deu_Latn", "d", english @ rotation(40))])
    given, settings = {"deu_Latn": pairs("d", 42)}, MappingSettings(method="multi-step")
    _, (result,) = map_to_hub(static, "eng_Latn", given, replace(settings, held_out=0))
    assert result.pairs == 42
    assert map_to_hub(static, "eng_Latn", given, replace(settings, ridge=0.01))[1][0].judged_on == 42
    with pytest.raises(ValueError, match="needs at least as many pairs, and there are 30; give more"):
        map_to_hub(static, "eng_Latn", {"deu_Latn": pairs("d", 30)}, replace(settings, held_out=0))
    monkeypatch.setattr(hub_mapping, "_normalised", None)
    told = r"of the 42 pairs of deu_Latn as many as 8 are held out to judge .*; give more pairs, --held_out 0"
    with pytest.raises(ValueError, match=told):
        map_to_hub(static, "eng_Latn", given, settings)


def test_a_dictionary_that_is_not_written_is_told(static: StaticEmbeddings, tmp_path: Path, capsys) -> None:
    static.save_pretrained(tmp_path / "static")
    files = []
    for code, prefix in (("deu_Latn", "d"), ("tha_Thai", "t")):
        files.append(tmp_path / f"{code}-eng_Latn.tsv")
        files[-1].write_text("".join(f"{one}\t{e}\n" for one, e in pairs(prefix)), encoding="utf-8")
    command = ["static", "map", "--static", str(tmp_path / "static"), "--dictionary", *map(str, files)]
    command += ["--output", str(tmp_path / "mapped")]
    assert main(command) == 0
    assert "without a dictionary" not in capsys.readouterr().out
    assert main([*command, "--write_dictionary", str(tmp_path / "seed.tsv")]) == 0
    assert "not mapped, and therefore without a dictionary: tha_Thai\n" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("seed*")] == ["seed.deu_Latn-eng_Latn.tsv"]


def test_dictionaries_are_read_as_they_come(tmp_path: Path) -> None:
    (tmp_path / "en-de.0-5000.txt").write_text("house haus\nhouse heim\nhouse haus\n\n", encoding="utf-8")
    assert languages_of(tmp_path / "en-de.0-5000.txt") == ("eng", "deu")
    assert languages_of("yacle.test.freq.2k.en-tr.tsv") == ("eng", "tur")
    assert languages_of("x/deu_Latn-eng_Latn.tsv") == ("deu", "eng")
    assert read_pairs(tmp_path / "en-de.0-5000.txt") == [("house", "haus"), ("house", "heim")]
    (tmp_path / "a.tsv").write_text("new york\tneu york\t12.5\n", encoding="utf-8")
    assert read_pairs(tmp_path / "a.tsv") == [("new york", "neu york")]
    (tmp_path / "b.tsv").write_text("one\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.tsv:1 is no pair"):
        read_pairs(tmp_path / "b.tsv")
    with pytest.raises(ValueError, match="does not say its languages"):
        languages_of("dictionary.txt")


def test_capitals_find_the_words_of_a_lower_cased_vocabulary() -> None:
    turkish = table("tur_Latn", "t", make_words(2, 3))
    turkish = WordTable("tur_Latn", ["ılık", "ev"], turkish.counts, turkish.vectors)
    english = WordTable("eng_Latn", ["warm", "house"], turkish.counts, turkish.vectors)
    found, coverage = locate_pairs([("Ilık", "warm"), ("EV", "house"), ("yok", "none")], turkish, english)
    assert found.tolist() == [[0, 0], [1, 1]]
    assert coverage == (3, 2, ["yok"], ["none"])


def test_the_command_maps_what_it_reads(static: StaticEmbeddings, tmp_path: Path, capsys) -> None:
    small = StaticEmbeddings([static.table("eng_Latn"), static.table("deu_Latn")])
    small.save_pretrained(tmp_path / "static")
    (tmp_path / "en-de.tsv").write_text("".join(f"{e}\t{d}\n" for d, e in pairs("d")), encoding="utf-8")
    command = ["static", "map", "--dictionary", str(tmp_path / "en-de.tsv"), "--output", str(tmp_path / "mapped")]
    induced = str(tmp_path / "induced" / "seed.tsv")
    assert main([*command, "--static", str(tmp_path / "static"), "--write_dictionary", induced]) == 0
    assert re.search(r"deu_Latn -> eng_Latn: mapped \(120 pairs; \d+ held-out words", capsys.readouterr().out)
    told = json.loads((tmp_path / "mapped" / "mapping.json").read_text())
    (german,) = told["languages"]
    assert (german["mapped"], german["method"], german["mode"]) == (True, "orthogonal", "supervised")
    assert german["gain"] == german["after"] - german["before"] > 0.9 and "seed_pairs" not in told
    assert find_damage(tmp_path / "mapped") == []
    # What was induced knows the words that the dictionary lacked, and maps as the dictionary does.
    path = tmp_path / "induced" / "seed.deu_Latn-eng_Latn.tsv"
    found = read_pairs(path)
    assert np.mean([word[1:] == other[1:] for word, other in found]) > 0.9 and ("d300", "e300") in found
    assert (
        main(
            [
                *command[:2],
                "--dictionary",
                str(path),
                "--output",
                str(tmp_path / "induced" / "mapped"),
                "--static",
                str(tmp_path / "static"),
            ]
        )
        == 0
    )
    assert "1 of 1 mapped onto eng_Latn" in capsys.readouterr().out
    (tmp_path / "mapped" / "mapping.json").write_text("{}")
    with pytest.raises(DamagedError, match="mapping.json"):
        StaticEmbeddings.from_pretrained(tmp_path / "mapped")
    assert main([*command, "--static", str(tmp_path / "static")]) == 0
    assert main(["static", "export", "--static", str(tmp_path / "mapped"), "--output", str(tmp_path / "vec")]) == 0
    vectors = [f"{code}={tmp_path / 'vec' / code}.vec" for code in ("eng_Latn", "deu_Latn")]
    assert main([*command[:-1], str(tmp_path / "again"), "--word2vec", *vectors]) == 0
    again = StaticEmbeddings.from_pretrained(tmp_path / "again")
    # The same text mapped twice: the second time there is nothing left to gain.
    assert not again.config["mapping"]["languages"][0]["mapped"]
    assert main([*command, "--static", str(tmp_path / "static"), "--word2vec", "x"]) == 2
    assert main([*command, "--word2vec", "wiki.de.vec"]) == 2
    assert "--word2vec deu_Latn=wiki.de.vec" in capsys.readouterr().err
