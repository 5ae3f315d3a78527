"""No code of a folder runs unless it is asked for: not by any call, not at any verb, whatever is answered."""

from __future__ import annotations

import ast
import io
import json
import sys
from pathlib import Path

import pytest

import hf_mplm
from hf_mplm import load_masked_lm, load_tokenizer
from hf_mplm.cli.main import main
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from hf_mplm.trainers.masked_lm.starting import load_for_method

from .fixtures import tiny_xlm_roberta


ROOT = Path(hf_mplm.__file__).parents[1]
LOADS = {"from_pretrained", "from_config", "pipeline"}
# Ours, which read numbers, words and settings: there is no code that could run.
READ_DATA = {"StaticEmbeddings", "SentencePooling"}


def careless_calls(source: str) -> list[int]:
    """Lines of calls that load something, and do not say whether its code may run."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if name not in LOADS or owner in READ_DATA:
            continue
        (value,) = [one.value for one in node.keywords if one.arg == "trust_remote_code"] or [None]
        said = isinstance(value, ast.Constant) and value.value is False
        forwarded = getattr(value, "id", getattr(value, "attr", None)) == "trust_remote_code"
        if not (said or forwarded):
            found.append(node.lineno)
    return found


def test_every_load_says_whether_code_may_run() -> None:
    files = [path for room in ("hf_mplm", "benchmarks", "examples") for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    careless = {str(path.relative_to(ROOT)): careless_calls(path.read_text(encoding="utf-8")) for path in files}
    assert not {path: lines for path, lines in careless.items() if lines}


@pytest.mark.parametrize(
    "call",
    ["A.from_pretrained(x)", "A.from_pretrained(x, **k)", "pipeline('fill-mask', x, trust_remote_code=True)"],
)
def test_the_walk_would_notice(call: str) -> None:
    assert careless_calls(call) == [1]
    assert not careless_calls("A.from_config(x, trust_remote_code=trust_remote_code)")


@pytest.fixture
def wants_to_run(tmp_path: Path, tiny_tokenizer, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A folder of an architecture, and with a tokenizer, of its own code, which writes a file; "y" is answered."""
    folder, marker = tmp_path / "folder", tmp_path / "it-ran"
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    code = f"open({str(marker)!r}, 'w').close()\n"
    (folder / "own.py").write_text(
        f"{code}from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, PreTrainedTokenizerFast\n"
        "class OwnConfig(XLMRobertaConfig):\n    model_type = 'own'\n"
        "class OwnForMaskedLM(XLMRobertaForMaskedLM):\n    config_class = OwnConfig\n"
        "class OwnTokenizer(PreTrainedTokenizerFast):\n    pass\n",
        encoding="utf-8",
    )
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings |= {"model_type": "own", "architectures": ["OwnForMaskedLM"]}
    settings["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForMaskedLM": "own.OwnForMaskedLM"}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": [None, "own.OwnTokenizer"]}}
    path.write_text(json.dumps(settings), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
    return folder, marker


def test_no_function_runs_it(wants_to_run) -> None:
    folder, marker = wants_to_run
    loads = [
        lambda: load_masked_lm(folder),
        lambda: load_for_method(folder, method="mlm", languages=["eng_Latn"]),
        lambda: load_for_method(folder, method="langsamp", languages=["eng_Latn"]),
        lambda: XLMRobertaForLangScriptMLM.from_encoder(folder, ["eng_Latn"]),
        lambda: load_tokenizer(folder),
    ]
    for load in loads:
        with pytest.raises(ValueError, match="asks to run code .* say --trust_remote_code") as caught:
            load()
        assert "\n" not in str(caught.value)
    assert not marker.exists()
    # Vacuity guard: the code does run where it is trusted.
    assert type(load_masked_lm(folder, trust_remote_code=True)).__name__ == "OwnForMaskedLM"
    assert marker.exists()


def test_no_verb_runs_it(wants_to_run, tiny_tokenizer_folder, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder, marker = wants_to_run
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "deu_Latn.txt").write_text("Alle Menschen sind frei geboren.\n" * 20, encoding="utf-8")
    store, out = tmp_path / "store", tmp_path / "out"
    prepare = ["prepare", "--corpus", str(corpus), "--output", str(store), "--chunk_length", "16"]
    assert main([*prepare, "--tokenizer", str(tiny_tokenizer_folder)]) == 0
    capsys.readouterr()
    verbs = [
        ["prepare", "--corpus", str(corpus), "--tokenizer", str(folder), "--output", str(tmp_path / "other")],
        ["pretrain", "--store", str(store), "--model", str(folder), "--output_dir", str(out), "--max_steps", "1"],
        ["align-scripts", "--corpus", str(corpus), "--model", str(folder), "--output_dir", str(out)],
        ["tokenizer", "extend", "--model", str(folder), "--tokenizer", str(folder), "--output", str(out)],
    ]
    for verb in verbs:
        assert main(verb) == 2, verb
        assert "--trust_remote_code" in capsys.readouterr().err, verb
        assert not marker.exists(), verb
