from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import datasets
import pytest
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.store.prepare import prepare_store
from hf_mplm.data.store.token_store import TokenStore, load_store
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, tokenizer_fingerprint
from hf_mplm.jobs.files import DamagedError
from tests.faults import flip_bit
from tests.fixtures import CORPUS, build_tiny_tokenizer


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    """A store that is read only."""
    folder = tmp_path_factory.mktemp("made") / "store"
    prepare_store(CORPUS, tiny_tokenizer_folder, folder, chunk_length=32, holdout=1)
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The same store, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "store"))


def test_datasets_reads_the_folder_by_itself(made: Path) -> None:
    splits = datasets.load_from_disk(str(made))
    assert isinstance(splits, datasets.DatasetDict) and list(splits) == ["train", "holdout"]
    codes = sorted(file.stem.replace("cmn_", "zho_") for file in CORPUS.glob("*.txt"))
    for split in splits.values():
        assert split.features["input_ids"] == datasets.List(datasets.Value("int32"))
        assert split.features["language"].names == codes
    store = load_store(made)
    assert store.languages == splits["train"].features["language"].names
    assert store.train[:] == splits["train"][:] and store.holdout is not None
    assert store.holdout[:] == splits["holdout"][:]


def test_store_is_memory_mapped(made: Path) -> None:
    store = load_store(made)
    assert [Path(file["filename"]).parent for file in store.train.cache_files] == [made / "train"]


def test_a_selection_is_the_rows_of_its_languages_without_a_copy(made: Path) -> None:
    store = load_store(made)
    codes = [store.languages[2], store.languages[0]]
    some = store.select(codes)
    assert some.languages == sorted(codes)
    for split, whole in ((some.train, store.train), (some.holdout, store.holdout)):
        assert split is not None and whole is not None
        wanted = [(row["input_ids"], store.languages[row["language"]]) for row in whole]
        found = [(row["input_ids"], some.languages[row["language"]]) for row in split]
        assert found == [pair for pair in wanted if pair[1] in codes] and 0 < len(found) < len(wanted)
        assert split.column_names == whole.column_names
        assert {Path(file["filename"]).parent.parent for file in split.cache_files} == {made}
        assert len(pickle.dumps(split)) < 50_000
    assert some.info["totals"]["sentences"] == sum(store.info["languages"][code]["sentences"] for code in codes)
    assert some.info["identity"] != store.info["identity"] and store.select(some.languages[0]).languages == codes[1:]
    with pytest.raises(ValueError, match=f"no text of xho_Latn; it has {len(store.languages)} languages"):
        store.select(["xho_Latn", codes[0]])


def test_can_be_written_again_by_datasets(made: Path, tmp_path: Path) -> None:
    store = load_store(made)
    datasets.DatasetDict({"train": store.train}).save_to_disk(str(tmp_path / "again"))
    assert datasets.load_from_disk(str(tmp_path / "again"))["train"][:] == store.train[:]


def test_no_two_stores_share_a_fingerprint(made: Path, tmp_path: Path, tiny_tokenizer_folder: Path) -> None:
    other = prepare_store(CORPUS, tiny_tokenizer_folder, tmp_path / "other", chunk_length=33)
    store = load_store(made)
    assert store.holdout is not None
    prints = {store.train._fingerprint, store.holdout._fingerprint, other.train._fingerprint}
    assert len(prints) == 3 and other.holdout is None


def test_tokenizer_is_kept_and_checked(
    made: Path, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase, tiny_tokenizer_folder: Path
) -> None:
    store = load_store(made)
    store.check_tokenizer(tiny_tokenizer)
    own = load_tokenizer(store.tokenizer_path)
    store.check_tokenizer(own)
    assert tokenizer_fingerprint(own) == store.info["tokenizer"]["fingerprint"]
    name = "sentencepiece.bpe.model"
    assert (store.tokenizer_path / name).read_bytes() == (tiny_tokenizer_folder / name).read_bytes()
    tiny_tokenizer.add_tokens(["<new>"])
    with pytest.raises(ValueError, match="holds the ids of another tokenizer.*801 tokens.*hf-mplm prepare"):
        store.check_tokenizer(tiny_tokenizer)
    with pytest.raises(ValueError, match="another tokenizer"):
        store.check_tokenizer(build_tiny_tokenizer(tmp_path / "other", vocab_size=700))


def test_missing_and_foreign_folders(tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(FileNotFoundError, match="no token store.*hf-mplm prepare --corpus"):
        load_store(tmp_path / "nowhere")
    (tmp_path / "nowhere.preparing").mkdir()
    with pytest.raises(FileNotFoundError, match="nowhere.preparing.*unfinished.*repeat"):
        load_store(tmp_path / "nowhere")
    datasets.DatasetDict({"train": datasets.Dataset.from_dict({"a": [1]})}).save_to_disk(str(tmp_path / "foreign"))
    with pytest.raises(ValueError, match="not a token store: it has no store.json"):
        load_store(tmp_path / "foreign")
    for content in ("[]", '{"format": "something else"}'):
        (tmp_path / "foreign" / "store.json").write_text(content)
        with pytest.raises(ValueError, match="not a token store that this version reads"):
            load_store(tmp_path / "foreign")


@pytest.mark.parametrize("cut", [1, 100, 1000])
def test_store_cut_short_is_refused(copied: Path, cut: int) -> None:
    file = next((copied / "train").glob("*.arrow"))
    size = file.stat().st_size
    with open(file, "r+b") as handle:
        handle.truncate(size - cut)
    with pytest.raises(
        ValueError, match=f"{file.name} has {size - cut} bytes instead of {size}: the store is not whole"
    ):
        load_store(copied)


@pytest.mark.parametrize("name", ["holdout/state.json", "dataset_dict.json", "tokenizer/tokenizer.json"])
def test_store_without_one_of_its_files_is_refused(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is missing: the store is not whole"):
        load_store(copied)


def test_store_json_cut_short_is_refused(copied: Path) -> None:
    file = copied / "store.json"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DamagedError, match="damaged: .*store.json: it is not JSON"):
        load_store(copied)


def test_info_counts_what_the_splits_hold(made: Path) -> None:
    store = load_store(made)
    assert isinstance(store, TokenStore) and store.holdout is not None
    info = json.loads((made / "store.json").read_text())
    assert info == store.info
    for split, prefix in ((store.train, ""), (store.holdout, "holdout_")):
        for label, code in enumerate(store.languages):
            rows = [row["input_ids"] for row in split if row["language"] == label]
            counts = info["languages"][code]
            assert counts[f"{prefix}chunks"] == len(rows) and counts[f"{prefix}tokens"] == sum(map(len, rows))
            assert counts[f"{prefix}sentences"] == sum(row.count(0) for row in rows)
    assert info["totals"]["chunks"] == len(store.train)


@pytest.mark.parametrize("place", range(14))
def test_a_flipped_bit_is_refused(copied: Path, place: int) -> None:
    file = sorted(copied.rglob("*.arrow"))[place % 2]
    flip_bit(file, place * file.stat().st_size // 14)
    with pytest.raises(DamagedError, match=f"damaged: .*{file.name}: its bytes are not those that were written. Copy"):
        load_store(copied)


@pytest.mark.parametrize(
    "name", ["store.json", "train/state.json", "train/dataset_info.json", "tokenizer/tokenizer.json"]
)
def test_small_files_are_always_looked_at(copied: Path, name: str) -> None:
    path = copied / name
    text = path.read_text(encoding="utf-8")
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    place = digits[len(digits) // 2]
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :], encoding="utf-8")
    with pytest.raises(DamagedError, match=name):
        load_store(copied, verify=False)


def test_the_ways_out_of_reading_everything(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip_bit(next((copied / "train").glob("*.arrow")), 5000)
    assert len(load_store(copied, verify=False).train)
    for name, value in (("HF_MPLM_VERIFY_STORES", "0"), ("LOCAL_RANK", "1")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert len(load_store(copied).train)
    with pytest.raises(DamagedError):
        load_store(copied)


def test_a_store_from_before_digests_opens_with_a_warning(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    (copied / "digests.json").unlink()
    with pytest.raises(DamagedError, match="digests.json: it is missing"):
        load_store(copied)
    info = json.loads((copied / "store.json").read_text())
    del info["digests"]
    (copied / "store.json").write_text(json.dumps(info))
    caplog.clear()
    assert load_store(copied).languages
    assert len(caplog.records) == 1 and "before digests" in caplog.text


@pytest.mark.parametrize("name", ["dataset_dict.json", "train/state.json", "train/dataset_info.json", "store.json"])
@pytest.mark.parametrize("content", ["null", "[]", "{}", "3", '{"splits": 3}', "[" * 100_000, '{"a": 1, "a": 2}'])
def test_an_old_store_that_is_damaged_is_told_in_one_line(copied: Path, name: str, content: str) -> None:
    if name == "train/dataset_info.json" and content.startswith("{"):
        return  # says nothing that the data does not say itself
    info = json.loads((copied / "store.json").read_text())
    del info["digests"]
    (copied / "digests.json").unlink()
    if name != "store.json":
        (copied / name).write_text(content)
        info["files"][name] = len(content)
        content = json.dumps(info)
    (copied / "store.json").write_text(content)
    with pytest.raises((ValueError, OSError)) as caught:
        load_store(copied)
    assert "\n" not in str(caught.value)
