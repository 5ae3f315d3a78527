from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from hf_mplm.cli.main import main
from hf_mplm.cli.static import make_parser
from hf_mplm.data.corpus.corpora import find_files
from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.plan import group_segments
from hf_mplm.jobs import job as jobs
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.extraction import disk_space, encoder, extract, vector_parts
from hf_mplm.static.extraction.context_parts import open_section
from hf_mplm.static.extraction.extract import EXTRACTION_FILE, extract_static
from hf_mplm.static.extraction.settings import ExtractionSettings
from hf_mplm.static.extraction.targets import NegativeSampler, TargetReader
from hf_mplm.static.words import lower_case, segment_words, word_spans
from tests.faults import in_child
from tests.fixtures import CORPUS


SMALL = ExtractionSettings(min_count=2, min_words=4, subsample=1e-2, layer=1, epochs=2, targets_per_step=16)
CODES = ("deu_Latn", "swh_Latn", "tha_Thai")
PART_BYTES = 700
STAGES = ("counts", "contexts", "vectors")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for code in CODES:
        shutil.copy(CORPUS / f"{code}.txt", folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def made(tiny_encoder_folder: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("made") / "vectors"
    extract_static(tiny_encoder_folder, corpus, output, SMALL, part_bytes=PART_BYTES)
    return output


def test_what_comes_out_is_static_embeddings_that_say_how_they_were_made(made: Path, corpus: Path) -> None:
    static = StaticEmbeddings.from_pretrained(made)
    assert static.languages == sorted(CODES) and static.dimension == 32
    assert static.config["layer"] == 1 and static.config["extraction"]["subsample"] == 1e-2
    assert static.config["revision"].startswith("xxh3:") and static.config["segmenters"]["tha_Thai"] == "icu:th"
    info = json.loads((made / EXTRACTION_FILE).read_text())
    assert not made.with_name("vectors.extracting").exists()
    for code in CODES:
        sentences = [segment_words(line, code) for line in (corpus / f"{code}.txt").read_text().splitlines()]
        long = [words for words in sentences if len(words) >= 4]
        counts: dict[str, int] = {}
        for word in (word for words in long for word in words):
            counts[word] = counts.get(word, 0) + 1
        expected = sorted(((word, n) for word, n in counts.items() if n >= 2), key=lambda pair: (-pair[1], pair[0]))
        table, said = static.table(code), info["words"][code]
        assert table.words == [word for word, _ in expected] and table.counts.tolist() == [n for _, n in expected]
        assert said["sentences"] == len(long) and said["short_sentences"] == len(sentences) - len(long)
        assert said["word_occurrences"] == sum(map(len, long)) and said["occurrences"] == table.counts.sum()
        assert said["rare_words"] == len(counts) - len(table) > 0
        read = {"sentences": len(long), "words": sum(map(len, long)), "known_words": sum(n for _, n in expected)}
        assert static.config["text"][code] == read
        assert len(said["losses"]) == 2 and sum(said["targets"]) > 0 and np.abs(table.vectors).min() > 0
    assert info["counts"] == dict.fromkeys(CODES, 10)
    assert static.config["sources"] == [{"name": corpus.name, "kind": "folder"}]


def test_training_on_kept_contexts_is_training_with_the_encoder_in_the_loop(
    tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every epoch encodes every sentence again, alone, and each target's context is a mean over its other tokens."""
    code, kept = "deu_Latn", {}
    make_vectors = vector_parts.make_vectors

    def watched(part: vector_parts.VectorPart) -> dict[str, int]:
        sections = [open_section(path, arrays) for path, arrays in part.sections]
        kept["sections"] = [
            type(one)(*(np.array(getattr(one, name)) for name in type(one).__dataclass_fields__)) for one in sections
        ]
        return make_vectors(part)

    monkeypatch.setattr(extract, "make_vectors", watched)
    static = extract_static(tiny_encoder_folder, corpus, tmp_path / "o", SMALL, languages=[code])
    table = static.table(code)
    model, tokenizer = (
        AutoModel.from_pretrained(tiny_encoder_folder),
        AutoTokenizer.from_pretrained(tiny_encoder_folder),
    )
    lines = (corpus / f"{code}.txt").read_text().splitlines()
    pooled: dict[int, list[torch.Tensor]] = {}

    def encode() -> dict[tuple[int, int], list[torch.Tensor]]:
        """The contexts of each word of each sentence, by the number of the sentence and the word."""
        found: dict[tuple[int, int], list[torch.Tensor]] = {}
        pooled.clear()
        for number, line in enumerate(lines):
            spans = word_spans(line, code)
            if len(spans) < 4:
                continue
            encoded = tokenizer(line, return_offsets_mapping=True, return_tensors="pt")
            offsets = encoded.pop("offset_mapping")[0]
            with torch.no_grad():
                states = model(**encoded, output_hidden_states=True).hidden_states[1][0]
            for start, stop in spans:
                word = table.index.get(lower_case(line[start:stop], code))
                if word is not None:
                    own = (offsets[:, 1] > start) & (offsets[:, 0] < stop) & (offsets[:, 1] > offsets[:, 0])
                    found.setdefault((number, word), []).append(states[~own].mean(0))
                    pooled.setdefault(word, []).append(states[own].mean(0))
        return found

    encode()
    vectors = torch.nn.Parameter(torch.stack([torch.stack(pooled[word]).mean(0) for word in range(len(table))]))
    start = vectors.detach().clone()
    optimizer = torch.optim.SparseAdam([vectors], lr=SMALL.learning_rate)
    reader = TargetReader(kept["sections"], targets_per_step=16, seed=SMALL.seed, language=code)
    sampler = NegativeSampler(table.counts, negatives=SMALL.negatives, seed=SMALL.seed, language=code)
    for epoch in range(SMALL.epochs):
        every = [(word, context) for (_, word), contexts in encode().items() for context in contexts]
        for batch in reader.epoch(epoch):
            # The kept context tells which occurrence was drawn; what is trained on is encoded anew.
            fresh = []
            for context, word in zip(torch.from_numpy(batch.contexts).float(), batch.words):
                near = min((other for own, other in every if own == word), key=lambda other: (other - context).norm())
                assert (near - context).abs().max() < 2e-3
                fresh.append(near)
            words = torch.from_numpy(batch.words)
            rows = torch.cat([words[:, None], torch.from_numpy(sampler.draw(batch.first, len(words)))], 1)
            scores = (vectors[rows] @ torch.stack(fresh)[:, :, None]).squeeze(-1)
            loss = torch.nn.functional.softplus(torch.cat([-scores[:, :1], scores[:, 1:]], 1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            vectors.grad = vectors.grad.to_sparse(1)
            optimizer.step()
    trained = torch.from_numpy(table.vectors)
    # Adam's step is near its rate whatever the gradient's size, so that half precision may turn a few signs.
    assert (trained - vectors.detach()).abs().max() < 2e-3 and (trained - vectors.detach()).abs().mean() < 2e-5
    assert (trained - start).abs().mean() > 1e-3


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_processes(
    made: Path, tiny_encoder_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    extract_static(tiny_encoder_folder, corpus, tmp_path / "two", SMALL, part_bytes=PART_BYTES, num_proc=2)
    assert contents(tmp_path / "two") == contents(made)


@pytest.mark.slow
@pytest.mark.allow_network
def test_ray_gives_the_same_bytes(
    made: Path, tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    for name, value in (("RAY_AUTH_MODE", "disabled"), ("RAY_USAGE_STATS_ENABLED", "0")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    extract_static(tiny_encoder_folder, corpus, tmp_path / "ray", SMALL, part_bytes=PART_BYTES, engine="ray")
    assert contents(tmp_path / "ray") == contents(made)


def test_the_vectors_depend_on_the_seed_and_on_no_other_language(
    made: Path, tiny_encoder_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    expected = StaticEmbeddings.from_pretrained(made).table("swh_Latn").vectors
    options = {"part_bytes": PART_BYTES, "languages": "swh_Latn"}
    alone = extract_static(tiny_encoder_folder, corpus, tmp_path / "one", SMALL, **options)
    assert (alone.table("swh_Latn").vectors == expected).all()
    other = ExtractionSettings(**{**vars(SMALL), "seed": 1})
    seeded = extract_static(tiny_encoder_folder, corpus, tmp_path / "seed", other, **options)
    assert not np.allclose(seeded.table("swh_Latn").vectors, expected)


def count_tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    run = jobs.run_tasks

    def counted(function, tasks, **options):
        done.extend(f"{function.__name__} {task.index}" for task in tasks)
        return run(function, tasks, **options)

    monkeypatch.setattr(jobs, "run_tasks", counted)
    return done


@pytest.mark.parametrize(
    ("fault", "share"),
    [
        ("kill", 0.6),
        ("full disk", 0.6),
        pytest.param("kill", 0.3, marks=pytest.mark.slow),
        pytest.param("kill", 0.9, marks=pytest.mark.slow),
    ],
)
def test_stopped_anywhere_it_goes_on_to_the_same_bytes(
    made: Path,
    tiny_encoder_folder: Path,
    corpus: Path,
    tmp_path: Path,
    fault: str,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "vectors"

    def work() -> None:
        torch.set_num_threads(1)
        extract_static(tiny_encoder_folder, corpus, output, SMALL, part_bytes=PART_BYTES)

    told, changes = in_child(work, tmp_path, None, fault)
    assert told == "finished"
    shutil.rmtree(output)
    told, _ = in_child(work, tmp_path, round(share * changes), fault)
    assert told == "killed" if fault == "kill" else "free some space and repeat the same command" in told
    assert not output.exists()
    parts = tmp_path / "vectors.extracting" / "parts"
    finished = sum(1 for stage in STAGES for _ in (parts / stage).glob("*.json"))
    done = count_tasks(monkeypatch)
    work()
    assert contents(output) == contents(made)
    # What was finished is not done again; at the last fault there was nothing left but to put it together.
    n_parts = len(group_segments(find_files(corpus, ReadOptions()), PART_BYTES))
    assert finished > 0 and len(done) == 2 * n_parts + len(CODES) - finished and bool(done) == (share < 0.9)


def test_a_damaged_part_is_encoded_again(
    made: Path, tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "vectors"

    def fail(*_: object) -> None:
        raise OSError("stopped here")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="stopped here"):
        patch.setattr(extract, "put_together", fail)
        extract_static(tiny_encoder_folder, corpus, output, SMALL, part_bytes=PART_BYTES)
    path = tmp_path / "vectors.extracting" / "parts" / "contexts" / "0000001.bin"
    data = bytearray(path.read_bytes())
    data[11] ^= 1
    path.write_bytes(data)
    done = count_tasks(monkeypatch)
    extract_static(tiny_encoder_folder, corpus, output, SMALL, part_bytes=PART_BYTES)
    assert done == ["encode_part 1"] and contents(output) == contents(made)


@pytest.mark.parametrize(
    "change",
    [
        {"context": "with-target"},
        {"init": "random"},
        {"special_tokens": False},
        {"method": "pooled"},
        {"method": "alone"},
    ],
)
def test_every_way_gives_other_vectors_of_the_same_words(
    made: Path, tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, change: dict
) -> None:
    settings = ExtractionSettings(**{**vars(SMALL), **change})
    found = extract_static(tiny_encoder_folder, corpus, tmp_path / "o", settings, languages=["deu_Latn"])
    first = StaticEmbeddings.from_pretrained(made).table("deu_Latn")
    assert found.table("deu_Latn").words == first.words
    assert not np.allclose(found.table("deu_Latn").vectors, first.vectors, atol=1e-6)
    assert np.isfinite(found.table("deu_Latn").vectors).all()


def test_words_are_lower_case_and_sentences_as_they_are(tiny_encoder_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "tur_Latn.txt").write_text("İNSAN HAKLARI IŞIK İNSAN IŞIK\n", encoding="utf-8")
    lower = ExtractionSettings(**{**vars(SMALL), "method": "pooled"})
    found = extract_static(tiny_encoder_folder, tmp_path / "corpus", tmp_path / "lower", lower)
    assert found.table("tur_Latn").words == ["insan", "ışık"]
    kept = ExtractionSettings(**{**vars(lower), "lower_case": False})
    same = extract_static(tiny_encoder_folder, tmp_path / "corpus", tmp_path / "kept", kept)
    assert same.table("tur_Latn").words == ["IŞIK", "İNSAN"]
    for word, other in (("insan", "İNSAN"), ("ışık", "IŞIK")):
        assert (found.vector(word, "tur_Latn") == same.vector(other, "tur_Latn")).all()


def test_what_cannot_be_is_said(
    tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    with pytest.raises(ValueError, match="method is 'glove'; needed is one of x2static, pooled, alone"):
        ExtractionSettings(method="glove")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="epochs is 0; needed is more than 0"):
        ExtractionSettings(epochs=0)
    rare = ExtractionSettings(**{**vars(SMALL), "min_count": 900})
    with pytest.raises(ValueError, match=r"no word of any language occurs 900 times.*smaller --min_count"):
        extract_static(tiny_encoder_folder, corpus, tmp_path / "o", rare)
    with monkeypatch.context() as patch:
        patch.setattr(disk_space.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 10))
        with pytest.raises(OSError, match="and there are 0.0 MB: free some space.*--context with-target"):
            extract_static(tiny_encoder_folder, corpus, tmp_path / "o", SMALL, overwrite=True)
    # What is left over is the work of before, which other settings do not go on with.
    with pytest.raises(ValueError, match=r"unfinished work on something else:\n  - epochs: 2 then, 3 now"):
        extract_static(tiny_encoder_folder, corpus, tmp_path / "o", ExtractionSettings(**{**vars(SMALL), "epochs": 3}))
    few = ExtractionSettings(**{**vars(SMALL), "subsample": 5e-6, "layer": 7})
    found = extract_static(tiny_encoder_folder, corpus, tmp_path / "few", few)
    assert found.config["layer"] == 2 and "layer 7 does not exist" in caplog.text
    assert "keeps less than 20% of the occurrences of 3 languages" in caplog.text and "1e-3" in caplog.text


def test_room_on_the_disk_is_told_as_it_turns_out(
    tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, int] = {}
    refuse = extract.refuse_small_disk
    monkeypatch.setattr(extract, "refuse_small_disk", lambda need, *rest: (told.update(need), refuse(need, *rest)))
    sizes: list[int] = []
    run = extract.finished_results
    folder = tmp_path / "o.extracting" / "parts" / "contexts"
    monkeypatch.setattr(
        extract,
        "finished_results",
        lambda parts, finished: (
            sizes.append(sum(path.stat().st_size for path in folder.glob("*.bin"))),
            run(parts, finished),
        )[1],
    )
    settings = ExtractionSettings(**{**vars(SMALL), "subsample": 1.0})
    extract_static(tiny_encoder_folder, corpus, tmp_path / "o", settings, part_bytes=PART_BYTES)
    # With every occurrence kept nothing is left to chance.
    assert told["contexts"] + told["sums"] == max(sizes) > 10_000


def test_the_command_line(tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, capsys) -> None:
    argv = ["static", "extract", "--model", str(tiny_encoder_folder), "--corpus", str(corpus), "--min_count", "2"]
    argv += ["--min_words", "4", "--subsample", "0.01", "--output", str(tmp_path / "o")]
    assert main([*argv, "--no_special_tokens"]) == 0
    said = capsys.readouterr().out
    assert "vectors of 3 languages are in" in said and "tha_Thai" in said
    static = StaticEmbeddings.from_pretrained(tmp_path / "o")
    assert static.config["extraction"]["special_tokens"] is False and static.config["layer"] == 2
    assert main([*argv, "--no_special_tokens"]) == 0
    assert main([*argv, "--seed", "7"]) == 2
    assert "made from something else" in capsys.readouterr().err
    (arguments,) = make_parser("extract").parse(["--config", "static-extract", *argv[2:]])
    assert len(arguments.languages) == 40 and arguments.max_length == 200 and arguments.subsample == 0.01


def capped_texts(lines: list[str], code: str, limit: int) -> list[str]:
    """What a cap leaves, by sorting: sentences of at least 4 words whose hashes are among the smallest."""
    long = [line for line in lines if len(segment_words(line, code)) >= 4]
    key = json.dumps(SMALL.seed).encode()

    def number(text: str) -> int:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest(), "little")

    ordered = sorted(map(number, long))
    return [text for text in long if len(ordered) <= limit or number(text) < ordered[limit]]


def test_a_cap_takes_the_same_sentences_whatever_their_order_and_is_counted(
    tiny_encoder_folder: Path, corpus: Path, tmp_path: Path
) -> None:
    settings = replace(SMALL, max_sentences=5, min_count=1, method="pooled")
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for code in CODES:
        lines = (corpus / f"{code}.txt").read_text().splitlines()
        (shuffled / f"{code}.txt").write_text("\n".join(lines[::-1]) + "\n")
    capped = extract_static(tiny_encoder_folder, corpus, tmp_path / "a", settings, part_bytes=PART_BYTES)
    again = extract_static(tiny_encoder_folder, shuffled, tmp_path / "b", settings, part_bytes=400)
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    for code in CODES:
        lines = (corpus / f"{code}.txt").read_text().splitlines()
        (chosen / f"{code}.txt").write_text("\n".join(capped_texts(lines, code, 5)) + "\n")
    alone = extract_static(tiny_encoder_folder, chosen, tmp_path / "c", replace(settings, max_sentences=None))
    info = json.loads((tmp_path / "a" / EXTRACTION_FILE).read_text())["words"]
    for code in CODES:
        assert capped.words(code) == again.words(code) == alone.words(code)
        assert (capped.table(code).counts == alone.table(code).counts).all()
        # Sums are of single precision, in another order.
        assert np.allclose(capped.matrix(code), again.matrix(code), atol=1e-5)
        assert np.allclose(capped.matrix(code), alone.matrix(code), atol=1e-5)
        assert info[code]["sentences"] == 5
        lines = [segment_words(line, code) for line in (corpus / f"{code}.txt").read_text().splitlines()]
        assert info[code]["unselected_sentences"] == sum(len(words) >= 4 for words in lines) - 5 > 0
    whole = extract_static(tiny_encoder_folder, corpus, tmp_path / "d", replace(settings, max_sentences=None))
    other = extract_static(tiny_encoder_folder, corpus, tmp_path / "e", replace(settings, seed=7))
    assert any(whole.words(code) != capped.words(code) for code in CODES)
    assert any(other.words(code) != capped.words(code) for code in CODES)


def test_a_cap_above_the_text_changes_nothing_and_copies_stay_together(
    tiny_encoder_folder: Path, made: Path, corpus: Path, tmp_path: Path
) -> None:
    settings = replace(SMALL, max_sentences=1000)
    extract_static(tiny_encoder_folder, corpus, tmp_path / "o" / "vectors", settings, part_bytes=PART_BYTES)
    for name in ("vectors.safetensors", "words.parquet"):
        assert (tmp_path / "o" / "vectors" / name).read_bytes() == (made / name).read_bytes()
    lines = [line for line in (corpus / "deu_Latn.txt").read_text().splitlines() if len(line.split()) > 5][:3]
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "deu_Latn.txt").write_text("\n".join(line for line in lines for _ in range(3)) + "\n")
    few = replace(SMALL, max_sentences=4, min_count=1, method="pooled")
    static = extract_static(tiny_encoder_folder, tmp_path / "copies", tmp_path / "few", few)
    assert json.loads((tmp_path / "few" / EXTRACTION_FILE).read_text())["words"]["deu_Latn"]["sentences"] == 3
    assert (static.table("deu_Latn").counts % 3 == 0).all()
    with pytest.raises(ValueError, match="max_sentences is 0"):
        ExtractionSettings(max_sentences=0)


@pytest.mark.parametrize("method", ["x2static", "alone"])
def test_a_process_loads_the_encoder_once(
    tiny_encoder_folder: Path, corpus: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load = [], encoder.load_model

    def counting(*given: object, **named: object) -> object:
        loads.append(given)
        return load(*given, **named)

    monkeypatch.setattr(encoder, "load_model", counting)
    made = extract_static(
        tiny_encoder_folder, corpus, tmp_path / "out", replace(SMALL, method=method), part_bytes=PART_BYTES
    )
    assert len(made.languages) == 3 and len(loads) == 1
    # What stands under the same name by the next extraction is read anew.
    extract_static(tiny_encoder_folder, corpus, tmp_path / "again", replace(SMALL, method=method))
    assert len(loads) == 2
