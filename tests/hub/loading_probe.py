"""One process of `tests.hub.loading`: publishes checkpoints, or loads them and compares. Prints JSON."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


HEADS = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification", "AutoModelForQuestionAnswering")
IDS = [[0, 5, 6, 7, 8, 2], [0, 9, 10, 11, 12, 2]]


def states(model: Any) -> list:
    """The encoder's states, as the bits of their numbers, once the whole model has run."""
    import torch

    ids = torch.tensor(IDS)
    with torch.no_grad():
        model(input_ids=ids)
        # Not `hidden_states[-1]`: of ModernBERT, transformers 4.57 gives it before the final norm, and 5.x behind it.
        output = model.base_model(input_ids=ids).last_hidden_state
    return output.float().view(torch.int32).flatten().tolist()


def publish(folder: Path, stack: str, architectures: list[str]) -> dict[str, Any]:
    """Make and push a LangSAMP checkpoint of each architecture and static vectors; what loading must give."""
    import numpy as np
    import torch
    from transformers import AutoModel

    from hf_mplm.cli.main import main
    from hf_mplm.data.tokenizing.tokenizers import save_tokenizer
    from hf_mplm.modeling import BertForLangScriptMLM, ModernBertForLangScriptMLM, XLMRobertaForLangScriptMLM
    from hf_mplm.static.embeddings import StaticEmbeddings
    from hf_mplm.static.word_table import WordTable
    from tests import fixtures

    classes = {
        "xlm-roberta": (XLMRobertaForLangScriptMLM, fixtures.tiny_xlm_roberta),
        "bert": (BertForLangScriptMLM, fixtures.tiny_bert),
        "modernbert": (ModernBertForLangScriptMLM, fixtures.tiny_modernbert),
    }
    tokenizer = fixtures.build_tiny_tokenizer(folder / "tokenizer")
    expected: dict[str, Any] = {}
    for name in architectures:
        kind, build = classes[name]
        source, made = folder / f"{name}-source", folder / name
        build(len(tokenizer)).save_pretrained(source)
        model = kind.from_encoder(source, ["eng_Latn", "swh_Latn", "ajp_Arab"])
        torch.nn.init.normal_(model.language_embeddings.weight)
        model.save_pretrained(made)
        save_tokenizer(tokenizer, made)
        (made / "notes-private.txt").write_text("mine")
        (made / "optimizer.pt").write_bytes(b"no")
        repository = f"somebody/{stack}-{name}"
        assert main(["push", str(made), repository, "--tag", "v1", "--license", "apache-2.0"]) == 0
        encoder = AutoModel.from_pretrained(made, trust_remote_code=False).eval()
        expected[repository] = {
            "kind": "langsamp",
            "states": states(encoder),
            "tokens": tokenizer("Jambo dunia").input_ids,
        }
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    table = WordTable("eng_Latn", ["one", "two", "three"], np.array([3, 2, 1]), vectors)
    StaticEmbeddings([table]).save_pretrained(folder / "static")
    assert main(["push", str(folder / "static"), f"somebody/{stack}-static"]) == 0
    expected[f"somebody/{stack}-static"] = {"kind": "static", "states": vectors.view(np.int32).flatten().tolist()}
    return {"expected": expected}


def load(way: str, expected: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Load in every way that this process can; `"equal"`, or what went wrong, by artefact and way."""
    return {
        name: _ways(name, way, wanted)
        for name, wanted in expected.items()
        if way != "stranger" or wanted["kind"] == "langsamp"
    }


def _ways(name: str, way: str, wanted: Mapping[str, Any]) -> dict[str, str]:
    if wanted["kind"] == "static":
        return {"offline" if way == "offline" else "hf_mplm": _outcome(lambda: _static(name), wanted["states"])}
    import transformers
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, pipeline

    trust = way == "stranger"
    if not trust:
        import hf_mplm  # noqa: F401
    same = wanted["states"]

    def heads(**more: Any) -> list:
        for head in HEADS:
            kind = getattr(transformers, head)
            found = states(kind.from_pretrained(name, trust_remote_code=trust, **more).eval())
            if found != same:
                return found
        return same

    def encoder() -> list:
        return states(AutoModel.from_pretrained(name, trust_remote_code=trust).eval())

    def masked() -> list:
        return states(AutoModelForMaskedLM.from_pretrained(name, trust_remote_code=trust).eval())

    if way == "offline":
        return {"offline: AutoModel": _outcome(encoder, same)}
    prefix = "remote code" if trust else "hf_mplm"
    told = {
        f"{prefix}: AutoModel": _outcome(encoder, same),
        f"{prefix}: AutoModelForMaskedLM": _outcome(masked, same),
        f"{prefix}: all heads": _outcome(heads, same),
        f"{prefix}: pinned revision": _outcome(
            lambda: states(AutoModel.from_pretrained(name, trust_remote_code=trust, revision="v1").eval()), same
        ),
        f"{prefix}: tokenizer": _outcome(
            lambda: AutoTokenizer.from_pretrained(name, trust_remote_code=trust)("Jambo dunia").input_ids,
            wanted["tokens"],
        ),
    }
    if trust:
        told["transformers: encoder/"] = _outcome(
            lambda: states(AutoModel.from_pretrained(name, subfolder="encoder", trust_remote_code=False).eval()), same
        )

        def fill() -> list:
            filled = pipeline("fill-mask", model=name, trust_remote_code=True)("Jambo <mask>")
            return same if len(filled) == 5 and all(one["score"] > 0 for one in filled) else [filled]

        told["remote code: pipeline"] = _outcome(fill, same)
    return told


def _static(name: str) -> list:
    import numpy as np

    from hf_mplm.static.embeddings import StaticEmbeddings

    return StaticEmbeddings.from_pretrained(name).matrix("eng_Latn").view(np.int32).flatten().tolist()


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
    one, two = (np.array(bits, dtype=np.int32).view(np.float32) for bits in (found, wanted))
    return f"differs by {float(np.abs(one - two).max()):.1e}"


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        print("\n" + json.dumps(publish(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])))
    else:
        print("\n" + json.dumps(load(sys.argv[2], json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))))
