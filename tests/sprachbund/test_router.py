"""Which model a language, a script or a text goes to, and a collection measured as one model."""

from __future__ import annotations

import functools
import gc
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from hf_mplm.cli.main import main
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.results import read_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.jobs.digests import write_digests
from hf_mplm.jobs.files import DamagedError
from hf_mplm.languages import detect_script, parse_code
from hf_mplm.report import compare_runs, means_table
from hf_mplm.sprachbund import LanguageVectors, SprachbundRouter, evaluate_collection
from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
from hf_mplm.sprachbund.collection import Collection
from hf_mplm.sprachbund.collection.files import finished_digest
from hf_mplm.sprachbund.collection.members import Member
from hf_mplm.sprachbund.vectors.block_sums import BlockSums
from tests.evaluation.conftest import write_sib200
from tests.fixtures import corpus_lines

from .collections import VIEW, make_start


CLUSTERS = [["deu_Latn", "eng_Latn", "srp_Cyrl"], ["swh_Latn", "tha_Thai"]]


def make_collection(folder: Path, tokenizer: Path, max_texts: int = 5) -> Path:
    """Two models of other weights, and vectors of the languages' own text under the base."""
    make_start(folder / "base", tokenizer)
    base = TransformerEncoder.from_pretrained(folder / "base", layer=1, special_tokens=False)
    codes = sorted(sum(CLUSTERS, []))
    sums = BlockSums.zeros(len(codes), 32)
    for row, code in enumerate(codes):
        texts = [text for _, text in corpus_lines(code)][:max_texts]
        sums.add(row, np.arange(len(texts)), base.encode(texts))
    LanguageVectors(codes, {VIEW: sums}).save(folder / "vectors")
    members = []
    cosines = {code: [0.4 if code == "eng_Latn" else 0.2, 0.3] for code in codes}
    for number, languages in enumerate(CLUSTERS, start=1):
        own = Path(shutil.copytree(folder / "base", folder / f"sprachbund-{number}"))
        weights = load_file(own / "model.safetensors")
        generator = torch.Generator().manual_seed(number)
        moved = {name: value + 0.1 * torch.randn(value.shape, generator=generator) for name, value in weights.items()}
        save_file(moved, own / "model.safetensors", metadata={"format": "pt"})
        write_digests(own)
        members.append(Member(languages, languages[0], own.name, languages, 9, number, finished_digest(own)))
    clusters = Sprachbunds(CLUSTERS, [own[0] for own in CLUSTERS], cosines, settings={"view": VIEW, "center": True})
    base, training = {"name": str(folder / "base"), "revision": "x"}, {"budget": "total", "method": "mlm"}
    Collection(clusters, members, base, training).save(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    return make_collection(tmp_path_factory.mktemp("collection"), tiny_tokenizer_folder)


@pytest.mark.parametrize(
    ("code", "member", "by", "reason"),
    [
        ("swh", "sprachbund-2", "swh_Latn", "listed"),
        ("srp_Latn", "sprachbund-1", "srp_Cyrl", "another script"),
        ("nld_Latn", "sprachbund-1", "eng_Latn", "lineage"),
        ("zul_Latn", "sprachbund-2", "swh_Latn", "lineage"),
    ],
)
def test_a_language_goes_to_its_own_or_to_its_relatives(folder, code, member, by, reason):
    route = SprachbundRouter.from_pretrained(folder).route(code)
    if code == "nld_Latn":
        assert route.language in ("deu_Latn", "eng_Latn")
    else:
        assert route.language == by
    assert (route.member.folder, route.reason) == (member, reason)


def test_a_language_without_relatives_is_an_error_with_codes(folder):
    with pytest.raises(ValueError, match="no cluster has kat_Geor or a language of its family.*route_text") as told:
        SprachbundRouter(folder).route("kat_Geor")
    codes = set(re.findall(r"\b[a-z]{3}_[A-Z][a-z]{3}\b", str(told.value))) - {"kat_Geor"}
    assert codes == set(sum(CLUSTERS, []))


def test_text_of_east_asia_goes_to_the_codes_of_its_scripts(folder, tmp_path):
    """Codes have Hans, Hant, Jpan, Hang or Kore, where text tells less, or says it by another name."""
    texts = {
        "zho_Hans": "人人生而自由,在尊严和权利上一律平等。",
        "zho_Hant": "人人生而自由,在尊嚴和權利上一律平等。",
        "jpn_Jpan": "すべての人間は、生まれながらにして自由である。",
        "kor_Hang": "모든 인간은 태어날 때부터 자유로우며 존엄하다.",
    }
    # Vectors by which every text would go to English, were it not for its script.
    base = TransformerEncoder.from_pretrained(folder / "base", layer=1, special_tokens=False)
    codes = ["eng_Latn", "deu_Latn", *texts]
    noise = np.random.default_rng(0).normal(size=(len(codes), 32))

    def route(text, *scripts):
        listed = [code for code in codes if code[4:] in ("Latn", *scripts)]
        sums = BlockSums.zeros(len(listed), 32)
        for row, code in enumerate(listed):
            mean = base.encode([text])[0] if code == "eng_Latn" else noise[row]
            sums.add(row, np.zeros(1, dtype=int), mean[None])
        copy = Path(shutil.copytree(folder, tmp_path / "-".join(("copy", *scripts)), dirs_exist_ok=True))
        LanguageVectors(listed, {VIEW: sums}).save(copy / "vectors")
        collection = Collection.load(copy)
        member = Member(listed, "eng_Latn", "sprachbund-1", listed, 9, 1, "x")
        found = Sprachbunds([listed], ["eng_Latn"], settings={"view": VIEW, "center": True})
        Collection(found, [member], collection.base).save(copy)
        return SprachbundRouter(copy).route_text([text]).language

    assert route("Habari za asubuhi", "Hans") == "eng_Latn"  # vacuity guard
    assert route(texts["zho_Hans"], "Hans", "Hang", "Jpan") in ("zho_Hans", "jpn_Jpan")
    assert route(texts["zho_Hans"], "Hans", "Hang") == "zho_Hans"
    assert route(texts["zho_Hant"], "Hant", "Hang") == "zho_Hant"
    assert route(texts["zho_Hans"], "Hans", "Hant") in ("zho_Hans", "zho_Hant")
    assert route("東京大学", "Jpan", "Hang") == "jpn_Jpan"
    assert route(texts["jpn_Jpan"], "Jpan", "Hans") == "jpn_Jpan"
    assert route(texts["kor_Hang"], "Hang", "Hans") == "kor_Hang"
    # Korean where Chinese characters prevail is told as Kore.
    assert detect_script("大韓民國憲法前文은") == "Kore" and route("大韓民國憲法前文은", "Hang", "Hans") == "kor_Hang"


def test_text_goes_by_its_script_and_its_vector(folder):
    router = SprachbundRouter(folder)
    for code in ("tha_Thai", "srp_Cyrl"):
        route = router.route_text([text for _, text in corpus_lines(code)][5:])
        assert (route.language, route.reason) == (code, "vector")
    # Among languages of one script the vector decides, as a plain computation does.
    texts = [text for _, text in corpus_lines("swh_Latn")]
    vectors = LanguageVectors.load(folder / "vectors")
    encoder = TransformerEncoder.from_pretrained(folder / "base", layer=1, special_tokens=False)
    mean = encoder.encode(texts).mean(0) - vectors.centre(VIEW)
    listed = [code for code in vectors.languages if parse_code(code).script == detect_script(" ".join(texts))]
    cosines = {
        code: float(row @ mean / np.linalg.norm(row) / np.linalg.norm(mean))
        for code, row in zip(vectors.languages, vectors.matrix(VIEW))
        if code in listed
    }
    assert len(listed) == 3 and router.route_text(texts).language == max(cosines, key=cosines.__getitem__)
    with pytest.raises(ValueError, match="there is no text"):
        router.route_text([])


def test_models_are_loaded_when_needed_and_no_more_than_allowed(folder, monkeypatch):
    loaded = []
    real = SprachbundRouter.model_for.__globals__["load_model"]
    monkeypatch.setitem(
        SprachbundRouter.model_for.__globals__, "load_model", lambda *args: loaded.append(args[0].name) or real(*args)
    )
    router = SprachbundRouter(folder, max_loaded=1)
    for code in ("deu_Latn", "eng_Latn", "swh_Latn", "deu_Latn"):
        router.model_for(code)
        assert len(router._loaded) == 1
    assert loaded == ["sprachbund-1", "sprachbund-2", "sprachbund-1"]
    vectors = router.encode(["Habari"], "swh_Latn", layer=1)
    own = TransformerEncoder.from_pretrained(folder / "sprachbund-2", layer=1)
    assert np.array_equal(vectors, own.encode(["Habari"]))
    other = TransformerEncoder.from_pretrained(folder / "sprachbund-1", layer=1)
    assert not np.allclose(vectors, other.encode(["Habari"]))
    with pytest.raises(ValueError, match="max_loaded is 0"):
        SprachbundRouter(folder, max_loaded=0)


def test_the_model_by_which_text_is_routed_is_one_of_those_allowed(folder):
    def models():
        gc.collect()
        return {id(one) for one in gc.get_objects() if issubclass(type(one), PreTrainedModel)}

    text = [text for _, text in corpus_lines("swh_Latn")]
    before = models()
    router = SprachbundRouter(folder, max_loaded=1)
    for _ in range(2):
        assert router.route_text(text).reason == "vector" and len(models() - before) == 1
        router.model_for("deu_Latn")
        assert len(models() - before) == 1
    router = SprachbundRouter(folder, max_loaded=2)
    router.route_text(text)
    model = router.model_for("deu_Latn")
    router.route_text(text)
    assert router.model_for("deu_Latn") is model and len(models() - before) == 2


def test_bytes_are_read_once_and_again_where_they_were_written_again(folder, tmp_path, monkeypatch):
    from hf_mplm.sprachbund.collection import router as module

    read = []
    monkeypatch.setattr(module, "finished_digest", lambda path: read.append(path.name) or finished_digest(path))
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    router = SprachbundRouter(copy)
    for _ in range(3):
        router.encode(["Habari"], "swh_Latn", layer=1)
    assert read == ["sprachbund-2"]
    save_file({"other": torch.zeros(1)}, copy / "sprachbund-2" / "model.safetensors")
    write_digests(copy / "sprachbund-2")
    with pytest.raises(DamagedError, match="sprachbund-2"):
        router.tokenizer_for("swh_Latn")


def test_a_missing_or_changed_member_is_named(folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = copy / "sprachbund-1" / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-9] ^= 1
    weights.write_bytes(damaged)
    router = SprachbundRouter(copy)
    assert router.model_for("swh_Latn") is not None
    with pytest.raises(DamagedError, match="sprachbund-1.*deu_Latn.*not as it was finished"):
        router.model_for("deu_Latn")
    shutil.rmtree(copy / "sprachbund-2")
    with pytest.raises(DamagedError, match="sprachbund-2"):
        router.tokenizer_for("swh_Latn")
    content = json.loads((copy / "sprachbunds.json").read_text())
    content["clusters"][0]["folder"] = "../elsewhere"
    (copy / "sprachbunds.json").write_text(json.dumps(content))
    with pytest.raises(DamagedError, match="no name of a folder"):
        SprachbundRouter(copy)


def test_a_collection_is_measured_as_one_model(folder, tmp_path, monkeypatch):
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn", "tha_Thai", "deu_Latn"))
    flags = ["--tasks", "sib200", "--data_dir", data, "--transfer_settings", "probe", "--source_languages", "pivot"]
    flags += ["--output", tmp_path / "run", "--layer", 1]
    assert main(["evaluate", "--model", str(folder), *map(str, flags)]) == 0
    rows = read_results(tmp_path / "run")
    assert {row.model for row in rows} == {str(folder)} and len({row.revision for row in rows}) == 1
    apart = {}
    for member, pivot, codes in (
        ("1", "deu_Latn", ["deu_Latn", "eng_Latn"]),
        ("2", "swh_Latn", ["swh_Latn", "tha_Thai"]),
    ):
        settings = {"transfer_settings": "probe", "source_languages": pivot, "layer": 1}
        for row in evaluate(folder / f"sprachbund-{member}", "sib200", data, codes, **settings):
            apart[row.language, row.metric, row.source_language] = row.value
    assert {(row.language, row.metric, row.source_language): row.value for row in rows} == apart
    assert {row.setting for row in rows} == {"pivot-probe"}
    told = json.loads((tmp_path / "run" / "results.json").read_text())
    assert told["pivots"] == {"sib200": {"sprachbund-1": "deu_Latn", "sprachbund-2": "swh_Latn"}}
    # By which a table is told from one of other clusters or steps.
    own = {"arm": "cluster", "budget": "total", "method": "mlm", "clusters": 2, "steps": [1, 2]}
    assert told["collection"] == own
    # Each language by the model of its own cluster, or the numbers would be others.
    wrong = evaluate(
        folder / "sprachbund-1",
        "sib200",
        data,
        ["tha_Thai"],
        transfer_settings="probe",
        layer=1,
        source_languages="swh_Latn",
    )
    assert any(apart[row.language, row.metric, row.source_language] != row.value for row in wrong)
    # From the Hub: all languages of the collection may be a pivot, so that the training data of all are asked for.
    asked = []
    monkeypatch.setattr(
        "hf_mplm.sprachbund.collection.evaluation.fetch_benchmarks",
        lambda tasks, wanted, progress: asked.append(wanted) or data,
    )
    flags = ["--tasks", "sib200", "--transfer_settings", "probe", "--source_languages", "pivot", "--layer", 1]
    assert main(["evaluate", "--model", str(folder), *map(str, flags), "--output", str(tmp_path / "hub")]) == 0
    assert [(row.language, row.metric, row.value) for row in read_results(tmp_path / "hub")] == [
        (row.language, row.metric, row.value) for row in rows
    ]
    assert asked[0].languages is None and {*asked[0].sources} == {code for codes in CLUSTERS for code in codes}


def test_both_sides_of_a_pair_are_read_by_the_model_of_the_language_that_is_not_the_source(folder, tmp_path):
    codes = ("deu_Latn", "eng_Latn", "swh_Latn", "tha_Thai")
    whole = {code: " ".join(text for _, text in corpus_lines(code)) for code in codes}
    # Pieces of the text, of which there are enough that no two models rank all of them alike.
    places = range(0, min(map(len, whole.values())) - 20, 20)
    texts = {code: [text[place : place + 20].strip() for place in places] for code, text in whole.items()}
    sentences = tmp_path / "data" / "flores" / "devtest"
    sentences.mkdir(parents=True)
    for code, lines in texts.items():
        (sentences / f"{code}.devtest").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @functools.cache
    def read(member, code):
        encoder = TransformerEncoder.from_pretrained(folder / f"sprachbund-{member}", layer=1)
        return encoder.encode(texts[code]).astype(float)

    def by_hand(member, of_english, language, direction):
        english, other = read(of_english, "eng_Latn"), read(member, language)
        asking, answering = (english, other) if direction == "source->target" else (other, english)
        cosines = (asking / np.linalg.norm(asking, axis=1)[:, None]) @ (
            answering / np.linalg.norm(answering, axis=1)[:, None]
        ).T
        ranks = (cosines > np.diag(cosines)[:, None]).sum(axis=1)
        return {f"accuracy@{k}": np.mean(ranks < k) for k in (1, 5, 10)}

    rows = evaluate_collection(folder, "flores", tmp_path / "data", codes, source_languages="eng_Latn", layer=1)
    found = {(row.language, row.direction, row.metric): row.value for row in rows if row.metric != "f1"}
    member_of = {"deu_Latn": 1, "swh_Latn": 2, "tha_Thai": 2}
    assert {language for language, _, _ in found} == set(member_of)
    for language, member in member_of.items():
        score = {key[1:]: value for key, value in found.items() if key[0] == language}

        def expected(*members, language=language, score=score):
            return {key: by_hand(*members, language, key[0])[key[1]] for key in score}

        assert score == pytest.approx(expected(member, member))
        # Vacuity guards: the other model of both sides, or of one, gives something else.
        assert score != pytest.approx(expected(3 - member, 3 - member))
        assert score != pytest.approx(expected(member, 3 - member))


def test_a_pivot_without_training_data_falls_to_the_next(folder, tmp_path, caplog):
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn", "tha_Thai"))
    with caplog.at_level("INFO"):
        rows = evaluate_collection(
            folder, "sib200", data, ["eng_Latn"], source_languages="pivot", transfer_settings="probe", layer=1
        )
    assert {row.source_language for row in rows} == {"eng_Latn"}
    assert "deu_Latn has no training data, eng_Latn is the next" in caplog.text


def test_a_task_is_missed_only_where_no_cluster_has_a_result(folder, tmp_path, capsys):
    """The first cluster has no target but the source, which retrieval does not look up in itself."""
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn"))
    flags = ["--tasks", "flores,sib200", "--data_dir", data, "--transfer_settings", "probe", "--layer", 1]
    flags += ["--languages", "eng_Latn,swh_Latn", "--source_languages", "eng_Latn"]
    assert main(["evaluate", "--model", str(folder), *map(str, flags), "--output", str(tmp_path / "run")]) == 0
    assert {row.task for row in read_results(tmp_path / "run")} == {"flores", "sib200"}
    # What no cluster has a result of is missed: a language without data, which was named.
    capsys.readouterr()
    flags[flags.index("eng_Latn,swh_Latn")] = "eng_Latn,swh_Latn,tha_Thai"
    assert main(["evaluate", "--model", str(folder), *map(str, flags), "--output", str(tmp_path / "more")]) == 1
    told = capsys.readouterr()
    assert "the language tha_Thai gave no result" in told.out + told.err


def test_pivots_are_one_measurement_whatever_they_are(folder, tmp_path):
    """Collections of other pivots can be compared, and no pivot's own score is in a mean."""
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn", "tha_Thai", "deu_Latn"))
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    collection = Collection.load(other)
    collection.members[0].pivot = collection.sprachbunds.pivots[0] = "eng_Latn"
    collection.save(other)
    codes = ("eng_Latn", "swh_Latn", "tha_Thai", "deu_Latn")
    asked = {"transfer_settings": "probe", "layer": 1, "source_languages": "pivot"}
    one, two = (evaluate_collection(place, "flores,sib200", data, codes, **asked) for place in (folder, other))
    assert {row.source_language for row in one} == {"deu_Latn", "swh_Latn"}
    assert {row.source_language for row in two} == {"eng_Latn", "swh_Latn"}
    topics = [row for row in one if (row.task, row.metric) == ("sib200", "macro_f1")]
    targets = [row for row in topics if row.language not in ("deu_Latn", "swh_Latn")]
    assert len(topics) == 4 and len(targets) == 2
    (line,) = [line for line in means_table(one).splitlines() if "sib200 macro_f1" in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert float(cells[-3]) == pytest.approx(np.mean([row.value for row in targets]), abs=5e-4) and cells[-1] == "2"
    # Thai alone is no pivot in either, and Swahili one in both.
    compared = {comparison.key[:4]: comparison for comparison in compare_runs([one, two])}
    topics = compared["sib200", "macro_f1", "pivot-probe", ""]
    assert list(topics.languages) == ["tha_Thai"] and topics.n_dropped == 2
    assert {group.group: group.languages for group in topics.groups}["source"] == ("swh_Latn",)
    assert list(compared["flores", "accuracy@1", "pivot-plain", ""].languages) == ["tha_Thai"]
    # A pivot that is named, too, is both.
    both = evaluate_collection(folder, "sib200", data, codes, **{**asked, "source_languages": "pivot,deu_Latn"})
    from_german = {row.setting for row in both if row.source_language == "deu_Latn" and row.language == "eng_Latn"}
    assert from_german == {"probe", "pivot-probe"}
    assert all(
        row.setting.startswith("pivot") == (row.source_language == "swh_Latn")
        for row in both
        if row.language == "tha_Thai"
    )


@pytest.mark.parametrize(
    ("setting", "joint"), [("probe", "joint-probe"), pytest.param("zero-shot", "joint", marks=pytest.mark.slow)]
)
def test_all_of_a_cluster_is_trained_on_together(setting, joint, folder, tmp_path, capsys):
    data = write_sib200(tmp_path / "data", ("eng_Latn", "swh_Latn", "tha_Thai", "deu_Latn"))
    finetuning = {"sib200": {"learning_rate": 1e-2, "num_train_epochs": 6, "batch_size": 4, "max_length": 32}}
    flags = ["--tasks", "sib200", "--data_dir", data, "--transfer_settings", setting, "--layer", 1]
    flags += ["--finetuning", json.dumps(finetuning)] if setting == "zero-shot" else []
    flags += ["--source_languages", "pivot,cluster", "--output", tmp_path / "run"]
    assert main(["evaluate", "--model", str(folder), *map(str, flags)]) == 0
    rows = {(row.language, row.metric, row.setting): row for row in read_results(tmp_path / "run")}
    pivot_setting = {"zero-shot": "pivot", "probe": "pivot-probe"}[setting]
    assert {key[2] for key in rows} == {pivot_setting, joint} and len(rows) == 16
    assert {row.source_language for key, row in rows.items() if key[2] == joint} == {""}
    # By hand: a benchmark in which one language has the training and dev sentences of both.
    by_hand = Path(shutil.copytree(data, tmp_path / "by_hand"))
    for pivot, other in (("deu_Latn", "eng_Latn"), ("swh_Latn", "tha_Thai")):
        for split in ("train", "dev"):
            first, second = ((data / "sib200" / code / f"{split}.tsv").read_text() for code in (pivot, other))
            renamed = second.splitlines()[1:]
            numbered = [f"9{line}" for line in renamed]  # ids of their own, or one would be the other's translation
            text = first.rstrip("\n") + "\n" + "\n".join(numbered) + "\n"
            (by_hand / "sib200" / pivot / f"{split}.tsv").write_text(text)
    differs = False
    for member, pivot, codes in (
        ("1", "deu_Latn", ["deu_Latn", "eng_Latn"]),
        ("2", "swh_Latn", ["swh_Latn", "tha_Thai"]),
    ):
        settings = {"transfer_settings": setting, "source_languages": pivot, "layer": 1, "finetuning": finetuning}
        for row in evaluate(folder / f"sprachbund-{member}", "sib200", by_hand, codes, **settings):
            assert rows[row.language, row.metric, joint].value == row.value
            differs |= rows[row.language, row.metric, pivot_setting].value != row.value
    assert differs  # vacuity guard: the pivot alone gives other scores
    # The same command computes nothing again, and both kinds of rows stay.
    assert main(["evaluate", "--model", str(folder), *map(str, flags)]) == 0
    assert {(row.language, row.metric, row.setting): row for row in read_results(tmp_path / "run")} == rows
    # The two ways of training stand side by side in a comparison.
    assert (
        main(
            [
                "compare",
                str(tmp_path / "run"),
                str(tmp_path / "run"),
                "--names",
                "a",
                "b",
                "--output",
                str(tmp_path / "compared"),
            ]
        )
        == 0
    )
    assert joint in (tmp_path / "compared" / "comparison.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("tasks", "settings", "words"),
    [("tatoeba", "zero-shot", "tatoeba trains on nothing"), ("sib200", "few-shot-3", "not in few-shot-3")],
)
def test_where_nothing_can_be_trained_on_together(tasks, settings, words, folder, tmp_path):
    data = write_sib200(tmp_path / "data", ("eng_Latn",))
    with pytest.raises(ValueError, match=words):
        evaluate_collection(folder, tasks, data, source_languages="cluster", transfer_settings=settings)
