from __future__ import annotations

import gc
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from transformers import BertForMaskedLM, ModernBertForMaskedLM, PreTrainedTokenizerBase, XLMRobertaForMaskedLM


# Tiny models are quickest on one thread, and workers of the suite do not fight over cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# Files that take a quarter of a minute or more. They start first, so that no core waits for the last of them.
LONG = (
    "adapt/test_job.py",
    "cli/test_quickstart.py",
    "fuzz/test_fuzz.py",
    "data/store/test_prepare.py",
    "hub/test_data.py",
    "trainers/base/test_resume.py",
    "sprachbund/test_training.py",
)

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


# A third of the time of importing transformers is the collector's, which finds nothing.
gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="module", autouse=True)
def _collect_little() -> None:
    """The collector no longer walks over the packages that are loaded.

    Every training ends with a collection of its own (accelerate's `free_memory`), which took longer than the training
    of a tiny model.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _refuse_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails, instead of passing on one machine and not on another."""
    if request.node.get_closest_marker("allow_network"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and not str(host).startswith(LOOPBACK):
            raise RuntimeError(f"a test tried to connect to {address!r}; only loopback is allowed")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _forget_mixed_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 4.57 leaves a precision in the environment, where the next test would take it up."""
    # Set and deleted, so that it is absent now and whatever a test leaves there is gone afterwards.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data, which is not part of the project: `HF_MPLM_DATA`, or `../shared/data`."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HF_MPLM_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the benchmark data: {folder} does not exist (set HF_MPLM_DATA)")
    return folder


@pytest.fixture
def warm_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that the package starts for its work have torch and transformers from the start."""
    from hf_mplm.jobs import engines

    from .processes import CONTEXT

    monkeypatch.setattr(engines, "multiprocessing", SimpleNamespace(get_context=lambda method: CONTEXT))


@pytest.fixture(scope="session")
def tiny_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `tiny_tokenizer`, for what loads a tokenizer by its path. Read it, never write to it."""
    from .fixtures import build_tiny_tokenizer

    folder = tmp_path_factory.mktemp("tiny_tokenizer")
    build_tiny_tokenizer(folder)
    return folder


@pytest.fixture
def tiny_tokenizer(tiny_tokenizer_folder: Path) -> PreTrainedTokenizerBase:
    """An `XLMRobertaTokenizer` of 800 entries trained on the small corpus, loaded anew for each test."""
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    return load_tokenizer(tiny_tokenizer_folder)


@pytest.fixture
def tiny_corpus(tmp_path: Path) -> Path:
    """A folder of its own with `CODE.txt` files, ten lines each: fourteen language-scripts in ten scripts."""
    from .fixtures import CORPUS

    folder = tmp_path / "tiny_corpus"
    folder.mkdir()
    for file in sorted(CORPUS.glob("*.txt")):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def tiny_xlm_roberta(tiny_tokenizer: PreTrainedTokenizerBase) -> XLMRobertaForMaskedLM:
    """A seeded stock XLM-R of two layers, 32 wide, whose vocabulary is `tiny_tokenizer`'s."""
    from .fixtures import tiny_xlm_roberta as build

    return build(len(tiny_tokenizer))


@pytest.fixture
def tiny_bert(tiny_tokenizer: PreTrainedTokenizerBase) -> BertForMaskedLM:
    """A seeded stock BERT of two layers, 32 wide, whose vocabulary is `tiny_tokenizer`'s."""
    from .fixtures import tiny_bert as build

    return build(len(tiny_tokenizer))


@pytest.fixture
def tiny_modernbert(tiny_tokenizer: PreTrainedTokenizerBase) -> ModernBertForMaskedLM:
    """A seeded stock ModernBERT of two layers, 32 wide, whose vocabulary is `tiny_tokenizer`'s."""
    from .fixtures import tiny_modernbert as build

    return build(len(tiny_tokenizer))


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer_folder: Path) -> Path:
    """A saved masked-LM checkpoint with its tokenizer, as `AutoModel` loads it."""
    folder = tmp_path_factory.mktemp("tiny_encoder")
    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
    from tests.fixtures import tiny_xlm_roberta as build

    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    build(len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
