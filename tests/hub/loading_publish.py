"""An artefact of each kind, made as its verb makes it, pushed, and what loading it must give."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from hf_mplm.cli.main import main
from hf_mplm.data.store.token_store import load_store
from hf_mplm.data.tokenizing.tokenizers import save_tokenizer
from hf_mplm.evaluation import load_model
from hf_mplm.modeling import BertForLangScriptMLM, ModernBertForLangScriptMLM, XLMRobertaForLangScriptMLM
from hf_mplm.sprachbund import SprachbundRouter
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
from hf_mplm.transfer.modules import TaskModule, adapt_encoder
from hf_mplm.transfer.tuning import Base
from tests import fixtures
from tests.hub.loading_ways import CARD_TEXTS, TEXTS, bits, states
from tests.sprachbund.collections import make_clusters, make_start, make_store, make_vectors
from tests.transfer.world import build_world


CLASSES: dict[str, tuple[Any, Any]] = {
    "xlm-roberta": (XLMRobertaForLangScriptMLM, fixtures.tiny_xlm_roberta),
    "bert": (BertForLangScriptMLM, fixtures.tiny_bert),
    "modernbert": (ModernBertForLangScriptMLM, fixtures.tiny_modernbert),
}
ARTEFACTS = (*CLASSES, "static", "adapter", "module", "collection", "low-rank-collection", "sentences", "onnx")
TRAINING = ("--use_cpu", "--disable_tqdm", "true", "--per_device_train_batch_size", "4", "--learning_rate", "0.05")


def publish(folder: Path, stack: str, artefacts: list[str]) -> dict[str, Any]:
    """Make and push artefacts.

    Args:
        folder (`Path`): where they are made.
        stack (`str`): what their repositories' names begin with.
        artefacts (`list[str]`): of `ARTEFACTS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = fixtures.build_tiny_tokenizer(folder / "tokenizer")
    expected: dict[str, Any] = {}
    for artefact in artefacts:
        repository = f"somebody/{stack}-{artefact}"
        place = folder / artefact
        if artefact in CLASSES:
            expected[repository] = _langsamp(artefact, place, tokenizer, repository)
        else:
            expected[repository] = _MAKERS[artefact](place, folder / "tokenizer", repository)
    return {"expected": expected}


def _push(folder: Path, repository: str, *words: str) -> None:
    (folder / "notes-private.txt").write_text("mine", encoding="utf-8")
    (folder / "optimizer.pt").write_bytes(b"no")
    assert main(["push", str(folder), repository, "--tag", "v1", "--license", "apache-2.0", *words]) == 0


def _langsamp(name: str, place: Path, tokenizer: Any, repository: str) -> dict[str, Any]:
    kind, build = CLASSES[name]
    source, made = place / "source", place / "made"
    build(len(tokenizer)).save_pretrained(source)
    model = kind.from_encoder(source, ["eng_Latn", "swh_Latn", "ajp_Arab"])
    torch.nn.init.normal_(model.language_embeddings.weight)
    model.save_pretrained(made)
    save_tokenizer(tokenizer, made)
    _push(made, repository)
    encoder = AutoModel.from_pretrained(made, trust_remote_code=False).eval()
    return {"kind": "langsamp", "states": states(encoder), "tokens": tokenizer("Jambo dunia").input_ids}


def _static(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    StaticEmbeddings([WordTable("eng_Latn", ["one", "two", "three"], np.array([3, 2, 1]), vectors)]).save_pretrained(
        place
    )
    _push(place, repository)
    return {"kind": "static", "states": bits(vectors)}


def _adapter(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    place.mkdir()
    make_start(place / "start", tokenizer)
    make_store(place / "store", tokenizer, languages=2)
    words = ["pretrain", "--model", place / "start", "--store", place / "store", "--output", place / "made"]
    words += ["--method", "mlm", "--delta", "--delta_rank", 2, "--max_steps", 2, *TRAINING]
    assert main(list(map(str, words))) == 0
    _push(place / "start", f"{repository}-base")
    # Without the base's name nobody could load it.
    assert main(["push", str(place / "made"), repository]) == 2
    _push(place / "made", repository, "--base", f"{repository}-base")
    return {"kind": "adapter", "states": states(load_model(place / "made").eval())}


def _module(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    place.mkdir()
    world = build_world(place / "world")
    words = ["transfer", "train-task", "--config", "transfer-study", "--model", world.base, "--data_dir", world.data]
    words += ["--output", place / "made", "--task", "sib200", "--max_examples", 8, "--rank", 2]
    assert main(list(map(str, words))) == 0
    _push(world.base, f"{repository}-base")
    _push(place / "made" / "sib200", repository, "--base", f"{repository}-base")
    base = Base.load(world.base)
    module = TaskModule.load(place / "made" / "sib200", base.tokenizer, world.data)
    module.attach(adapt_encoder(base.encoder, "peft"))
    with module.active():
        found = states(base.encoder.eval())
    return {"kind": "module", "states": found, "base": f"{repository}-base", "data": str(world.data)}


def _collection(place: Path, tokenizer: Path, repository: str, *more: str) -> dict[str, Any]:
    place.mkdir()
    make_store(place / "store", tokenizer, languages=4)
    make_start(place / "start", tokenizer)
    codes = load_store(place / "store").languages
    vectors = make_vectors(codes)
    vectors.config["model"] = str(place / "start")
    vectors.save(place / "vectors")
    make_clusters(codes, place / "clusters")
    words = ["sprachbund", "train", "--clusters", place / "clusters", "--store", place / "store", "--output"]
    words += [place / "made", "--model", place / "start", "--vectors", place / "vectors", "--max_steps", 2]
    line = [*map(str, words), *TRAINING, *more]
    for command in _printed([*line, "--print_commands"]):
        assert main(shlex.split(command)[1:]) == 0
    assert main(line) == 0
    _push(place / "made", repository)
    router = SprachbundRouter(place / "made")
    vectors_of = bits([router.encode(TEXTS, code, layer=2) for code in codes])
    return {"kind": "collection", "states": vectors_of, "languages": codes}


def _low_rank_collection(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    return _collection(place, tokenizer, repository, "--delta", "--delta_rank", "2")


def _printed(line: list[str]) -> Iterator[str]:
    import contextlib
    import io

    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert main(line) == 0
    yield from told.getvalue().splitlines()


def _sentences(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformer

    import hf_mplm

    place.mkdir()
    make_start(place / "start", tokenizer)
    words = ["export", "sentence-transformers", "--model", str(place / "start"), "--output", str(place / "made")]
    assert main(words) == 0
    _push(place / "made", repository)
    model = SentenceTransformer(str(place / "made"), device="cpu")
    return {
        "kind": "sentence-transformers",
        "states": bits(model.encode(TEXTS)),
        "card": bits(model.encode(CARD_TEXTS)),
        "package": bits(hf_mplm.load_encoder(place / "made").encode(TEXTS)),
    }


def _onnx(place: Path, tokenizer: Path, repository: str) -> dict[str, Any]:
    import onnxruntime
    from transformers import AutoTokenizer

    place.mkdir()
    make_start(place / "start", tokenizer)
    words = ["export", "onnx", "--model", str(place / "start"), "--output", str(place / "made"), "--with_pooling"]
    assert main([*words, "--sentences", "4"]) == 0
    _push(place / "made", repository)
    session = onnxruntime.InferenceSession(str(place / "made" / "onnx" / "model.onnx"))
    loaded = AutoTokenizer.from_pretrained(place / "made", trust_remote_code=False)

    def run(texts: list[str]) -> list:
        batch = loaded(texts, padding=True, return_tensors="np")
        return bits(
            session.run(["sentence_embedding"], {key: batch[key] for key in ("input_ids", "attention_mask")})[0]
        )

    return {"kind": "onnx", "states": run(TEXTS), "card": run(CARD_TEXTS)}


_MAKERS = {
    "static": _static,
    "adapter": _adapter,
    "module": _module,
    "collection": _collection,
    "low-rank-collection": _low_rank_collection,
    "sentences": _sentences,
    "onnx": _onnx,
}
