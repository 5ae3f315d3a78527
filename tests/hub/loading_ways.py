"""How each kind of artefact is loaded, with the package, without it, and by the lines of its own card."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any


HEADS = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering")
IDS = [[0, 5, 6, 7, 8, 2], [0, 9, 10, 11, 12, 2]]
TEXTS = ["...", "Jambo dunia, habari ya asubuhi"]
CARD_TEXTS = ["...", "..."]
WITH_STRANGERS = ("langsamp", "sentence-transformers", "onnx")


def states(model: Any) -> list:
    """The encoder's states, as the bits of their numbers, once the whole model has run."""
    import torch

    ids = torch.tensor(IDS)
    with torch.no_grad():
        last = getattr(model(input_ids=ids), "last_hidden_state", None)
        # Not `hidden_states[-1]`: of ModernBERT, transformers 4.57 gives it before the final norm, and 5.x behind it.
        last = model.base_model(input_ids=ids).last_hidden_state if last is None else last
    return last.float().view(torch.int32).flatten().tolist()


def bits(array: Any) -> list:
    """The bits of numbers."""
    import numpy as np

    return np.ascontiguousarray(array, dtype=np.float32).view(np.int32).flatten().tolist()


def load(way: str, expected: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Load in every way that this process can; `"equal"`, or what went wrong, by artefact and way."""
    return {
        name: {how: _outcome(call, wanted["states"]) for how, call in _ways(name, way, wanted).items()}
        for name, wanted in expected.items()
        if way != "stranger" or wanted["kind"] in WITH_STRANGERS
    }


def _ways(name: str, way: str, wanted: Mapping[str, Any]) -> dict[str, Callable[[], list]]:
    if wanted["kind"] == "langsamp":
        return _langsamp(name, way, wanted)
    call = {
        "static": _static,
        "adapter": _adapter,
        "module": _module,
        "collection": _collection,
        "sentence-transformers": _sentences,
        "onnx": _onnx,
    }[wanted["kind"]]
    if way == "offline":
        return {"offline": lambda: call(name, way, wanted)}
    by = {"package": "hf_mplm", "stranger": "without hf_mplm"}[way]
    told = {by: lambda: call(name, way, wanted)}
    if (way == "package") == (wanted["kind"] not in WITH_STRANGERS):
        told["the card's lines"] = lambda: _by_card(name, wanted)
    return told


def _langsamp(name: str, way: str, wanted: Mapping[str, Any]) -> dict[str, Callable[[], list]]:
    import transformers
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, pipeline

    trust = way == "stranger"
    if not trust:
        import hf_mplm  # noqa: F401
    same = wanted["states"]

    def heads() -> list:
        for head in HEADS:
            kind = getattr(transformers, head)
            found = states(kind.from_pretrained(name, trust_remote_code=trust).eval())
            if found != same:
                return found
        return same

    def encoder(**more: Any) -> list:
        return states(AutoModel.from_pretrained(name, trust_remote_code=trust, **more).eval())

    def masked() -> list:
        return states(AutoModelForMaskedLM.from_pretrained(name, trust_remote_code=trust).eval())

    def tokens() -> list:
        found = AutoTokenizer.from_pretrained(name, trust_remote_code=trust)("Jambo dunia").input_ids
        return same if found == wanted["tokens"] else found

    def plain() -> list:
        return states(AutoModel.from_pretrained(name, subfolder="encoder", trust_remote_code=False).eval())

    def fill() -> list:
        filled = pipeline("fill-mask", model=name, trust_remote_code=True)("Jambo <mask>")
        return same if len(filled) == 5 and all(one["score"] > 0 for one in filled) else [filled]

    if way == "offline":
        return {"offline: AutoModel": encoder}
    prefix = "remote code" if trust else "hf_mplm"
    told: dict[str, Callable[[], list]] = {
        f"{prefix}: AutoModel": encoder,
        f"{prefix}: AutoModelForMaskedLM": masked,
        f"{prefix}: all heads": heads,
        f"{prefix}: pinned revision": lambda: encoder(revision="v1"),
        f"{prefix}: tokenizer": tokens,
    }
    if trust:
        return {**told, "transformers: encoder/": plain, "remote code: pipeline": fill}
    return {**told, "the card's lines": lambda: _by_card(name, wanted)}


def _static(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    from hf_mplm.static.embeddings import StaticEmbeddings

    return bits(StaticEmbeddings.from_pretrained(name).matrix("eng_Latn"))


def _adapter(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    from hf_mplm.evaluation import load_model

    return states(load_model(name).eval())


def _module(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    from huggingface_hub import snapshot_download

    from hf_mplm.transfer.modules import TaskModule, adapt_encoder
    from hf_mplm.transfer.tuning import Base

    base = Base.load(wanted["base"])
    module = TaskModule.load(snapshot_download(name), base.tokenizer, wanted["data"])
    module.attach(adapt_encoder(base.encoder, "peft"))
    with module.active():
        return states(base.encoder.eval())


def _collection(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    from hf_mplm.sprachbund import SprachbundRouter

    router = SprachbundRouter.from_pretrained(name)
    return bits([router.encode(TEXTS, code, layer=2) for code in wanted["languages"]])


def _sentences(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    if way != "stranger":
        import hf_mplm

        # Batches without padding give other roundings.
        found = bits(hf_mplm.load_encoder(name).encode(TEXTS))
        return wanted["states"] if found == wanted["package"] else found
    from sentence_transformers import SentenceTransformer

    return bits(SentenceTransformer(name, device="cpu").encode(TEXTS))


def _onnx(name: str, way: str, wanted: Mapping[str, Any]) -> list:
    import numpy as np
    import onnxruntime
    from huggingface_hub import snapshot_download
    from transformers import AutoTokenizer

    folder = snapshot_download(name)
    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(f"{folder}/onnx/model.onnx")
    inputs = {key: np.asarray(batch[key]) for key in ("input_ids", "attention_mask")}
    return bits(session.run(["sentence_embedding"], inputs)[0])


def _by_card(name: str, wanted: Mapping[str, Any]) -> list:
    """Run the code of a card's section on use, as it stands there, and look at what it made."""
    from huggingface_hub import hf_hub_download

    with open(hf_hub_download(name, "README.md"), encoding="utf-8") as file:
        card = file.read()
    use = card.split("## Use\n", 1)[1].split("<!-- hf_mplm: end of use -->", 1)[0]
    blocks = re.findall(r"```python\n(.*?)```", use, re.DOTALL)
    # What a reader has: data, and texts to try.
    made: dict[str, Any] = {"DATA_DIR": wanted.get("data"), "examples": [], "language": "eng_Latn"}
    if wanted["kind"] == "module":
        blocks = [re.sub(r"^with module.active\(\):\n.*\Z", "", block, flags=re.DOTALL | re.M) for block in blocks]
    elif wanted["kind"] == "sentence-transformers":
        blocks = [block for block in blocks if "hf_mplm" not in block]
    for block in blocks:
        exec(compile(block, f"{name}/README.md", "exec"), made)
    kind = wanted["kind"]
    if kind in ("langsamp", "adapter"):
        return states(made["encoder"].eval())
    if kind == "static":
        return bits(made["static"].matrix("eng_Latn"))
    if kind == "module":
        with made["module"].active():
            return states(made["base"].encoder.eval())
    if kind == "collection":
        return bits([made["router"].encode(TEXTS, code, layer=2) for code in wanted["languages"]])
    found = bits(made["vectors"])
    return wanted["states"] if found == wanted["card"] else found


def _outcome(call: Callable[[], list], wanted: list) -> str:
    try:
        found = call()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1].name
        return " ".join(f"{type(error).__name__}: {error}".split())[:200] + f" ({last})"
    if found == wanted:
        return "equal"
    import numpy as np

    if len(found) != len(wanted):
        return "other values"
    one, two = (np.array(values, dtype=np.int32).view(np.float32) for values in (found, wanted))
    return f"differs by {float(np.abs(one - two).max()):.1e}"
