from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hf_mplm.cli.main import main
from hf_mplm.static import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from tests.hub.server import LoopbackHub

from .following import ROOT, TRAINING, blocks, open_page
from .method_stages import build_sprachbund, build_static, build_transfer
from .python_code import run_python
from .stage import LANGUAGES, build_stage


# peft asks transformers by a name that goes with version 6.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

# Pages whose Python takes nothing but what the package holds run in the fast suite.
QUICK = ["docs/languages.md", "docs/romanization.md"]
# These talk to the Hub, and run in processes of their own that see the one on loopback.
PUBLISHED = ["docs/publishing.md"]
# Their Python asks for what the commands above it make in minutes; tests named beside run the same calls.
NOT_RUN = {
    "docs/journeys/load-without-this-package.md": "tests/docs/test_journeys.py",
    "docs/journeys/adapt-30-languages.md": "tests/docs/test_journeys.py",
    "docs/journeys/search-in-200-languages.md": "tests/docs/test_journeys.py",
    "docs/journeys/new-script.md": "tests/docs/test_journeys.py",
}
# Their first commands make what their Python reads.
OPENED = {"docs/static.md": build_static, "docs/transfer.md": build_transfer}
COLLECTION = "docs/sprachbund.md"
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "model_cards").rglob("*.md")]
    if any(language == "python" for language, _ in blocks(page))
)
STAGED = [page for page in PAGES if page not in {*QUICK, *OPENED, COLLECTION, *PUBLISHED, *NOT_RUN}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_folder: Path) -> Path:
    """The stage, with a store and a checkpoint under the names that pages give them."""
    folder = build_stage(tmp_path_factory.mktemp("world") / "stage", tiny_encoder_folder)
    store, start = str(folder / "store"), str(folder / "FacebookAI/xlm-roberta-base")
    sizes = ["--chunk_length", "64", "--holdout", "4", "--num_proc", "1"]
    text = str(folder / "text")
    assert main(["prepare", "--corpus", text, "--tokenizer", start, "--output", store, *sizes]) == 0
    flags = ["--model", start, "--store", store, *TRAINING.split()]
    assert main(["pretrain", "--output", str(folder / "my-encoder"), *flags]) == 0
    delta = ["--method", "mlm", "--delta", "--delta_rank", "1"]
    assert main(["pretrain", "--output", str(folder / "small"), *delta, *flags]) == 0
    for name in ("my-langsamp", "checkpoint", "langsamp-mini"):
        shutil.copytree(folder / "my-encoder", folder / name)
    shutil.copytree(store, folder / "stores" / "glot")
    for name, like in (("TEXT", "text"), ("my_corpus", "text"), ("MODEL", "FacebookAI/xlm-roberta-base")):
        shutil.copytree(folder / like, folder / name)
    for code in LANGUAGES:
        place = folder / "data" / "reviews" / code
        place.mkdir(parents=True)
        for split in ("train", "dev", "test"):
            lines = [f"{label}\t{label} {number}\n" for number in range(4) for label in ("good", "bad")]
            (place / f"{split}.tsv").write_text("label\ttext\n" + "".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(world, tmp_path / "place")
    monkeypatch.chdir(folder)
    return folder


def given(page: str, place: Path) -> dict[str, Any]:
    """The names that a page takes as given."""
    import transformers

    import hf_mplm

    if page == "docs/modeling.md":
        ids = torch.arange(5, 25).reshape(2, 10)
        where = torch.zeros(2, dtype=torch.long)
        tokenizer = hf_mplm.load_tokenizer(place / "FacebookAI/xlm-roberta-base")
        names = {"ids": ids, "mask": torch.ones_like(ids), "labels": ids, "tokenizer": tokenizer}
        return {**names, "language_ids": where, "script_ids": where}
    if page in ("docs/prepare.md", "docs/sampling-and-masking.md"):
        store = hf_mplm.load_store(place / "store")
        labels = hf_mplm.data.language_labels(store.train)
        return {"tokenizer": hf_mplm.load_tokenizer(store.tokenizer_path), "labels": labels}
    if page == "docs/evaluation.md":
        model: Any = hf_mplm.load_masked_lm(place / "FacebookAI/xlm-roberta-base")
        model.encode = hf_mplm.load_encoder(str(place / "my-encoder")).encode
        names = {name: getattr(hf_mplm, name) for name in ("MaskedLMTrainer", "MaskedLMTrainingArguments")}
        callback = transformers.EarlyStoppingCallback
        store = hf_mplm.load_store(place / "store")
        return {"hf_mplm": hf_mplm, "model": model, "store": store, "EarlyStoppingCallback": callback, **names}
    if page == "docs/export.md":
        pytest.importorskip("sentence_transformers")
        assert main(["export", "sentence-transformers", "--model", "checkpoint", "--output", "sentences"]) == 0
    if page == "docs/static-alignment.md":
        return words_of(place)
    if page in ("docs/script-alignment.md", "docs/romanization.md"):
        pytest.importorskip("uroman")
    return {}


def words_of(place: Path) -> dict[str, Any]:
    """Words of two languages with vectors, as arrays and in the folder `mapped`."""
    generator = np.random.default_rng(0)
    names: dict[str, Any] = {}
    tables = []
    for code, name in (("eng_Latn", "english"), ("swh_Latn", "german")):
        words = sorted(set((place / "text" / f"{code}.txt").read_text("utf-8").lower().split()))
        vectors = generator.normal(size=(len(words), 120)).astype(np.float32)
        names |= {f"{name}_words": words, name: vectors}
        tables.append(WordTable(code, words, np.ones(len(words), dtype=np.int64), vectors))
    StaticEmbeddings(tables).save_pretrained(place / "mapped")
    return names


@pytest.mark.parametrize("page", QUICK)
def test_what_comments_say_comes_out(page: str, tmp_path: Path) -> None:
    assert run_python(ROOT / page, given(page, tmp_path)) >= 2


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if "transfer" in page else page for page in OPENED]
)
def test_python_reads_what_the_first_commands_make(
    page: str, tmp_path: Path, tiny_tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = OPENED[page](tmp_path, tiny_tokenizer_folder)
    open_page(ROOT / page)
    run_python(ROOT / page, names)


@pytest.mark.parametrize("page", STAGED)
def test_python_runs(page: str, place: Path) -> None:
    run_python(ROOT / page, given(page, place))


@pytest.mark.slow
@pytest.mark.parametrize("page", PUBLISHED)
def test_python_that_publishes_runs(page: str, place: Path) -> None:
    run_with_hub(page, place)


@pytest.mark.slow
def test_python_of_a_collection_runs(
    tmp_path: Path, tiny_tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    build_sprachbund(tmp_path, tiny_tokenizer_folder)
    open_page(ROOT / COLLECTION)
    run_with_hub(COLLECTION, tmp_path, "push models me/collection --tag v1 --license apache-2.0")


def run_with_hub(page: str, place: Path, *commands: str) -> None:
    """Run commands and then the Python of a page, in processes that see a Hub on loopback on which `me` may write."""
    with LoopbackHub() as hub:
        hub.writers.add("me")
        environment = {**hub.environment(place / "home"), "PYTHONPATH": str(ROOT)}
        lines = [*(["hf_mplm", *words.split()] for words in commands), ["tests.docs.python_code", str(ROOT / page)]]
        for line in lines:
            command = [sys.executable, "-m", *line]
            done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]


def test_what_does_not_run_is_run_elsewhere() -> None:
    assert {*QUICK, *OPENED, COLLECTION, *PUBLISHED, *NOT_RUN} <= set(PAGES)
    assert [test for test in NOT_RUN.values() if not (ROOT / test).is_file()] == []


def test_a_wrong_comment_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    for right, wrong in (
        ("1 + 1  # 2: as a sum", "1 + 1  # 3"),
        ("'ä'.upper()  # 'Ä'", "'ä'.upper()  # 'A'"),
        ("int('a')  # ValueError: no", "int('1')  # ValueError: no"),
        ("int('a')\n# ValueError: no", "[][0]\n# ValueError: no"),
        ("['a', 'b']  # ['a', ...]", "['b', 'a']  # ['a', ...]"),
    ):
        page.write_text(f"```python\n{right}\n```\n", encoding="utf-8")
        assert run_python(page, {}) == 1
        page.write_text(f"```python\n{wrong}\n```\n", encoding="utf-8")
        with pytest.raises(AssertionError):
            run_python(page, {})
