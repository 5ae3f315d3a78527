from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from transformers import AutoTokenizer

import hf_mplm
from hf_mplm import modeling

from .models import ARCHITECTURES, Architecture


HEADS = {
    "AutoModel": "{}LangScriptModel",
    "AutoModelForMaskedLM": "{}ForLangScriptMLM",
    "AutoModelForQuestionAnswering": "{}LangScriptForQuestionAnswering",
    "AutoModelForSequenceClassification": "{}LangScriptForSequenceClassification",
    "AutoModelForTokenClassification": "{}LangScriptForTokenClassification",
}

IMPORTS = ("import hf_mplm", "from transformers import AutoModel\nimport hf_mplm")

# In processes of their own, where neither transformers nor the package is loaded yet, but torch is.
CHILD = """
import gc, json, os, sys, traceback
gc.disable()
import torch
heads, variants, *folders = map(json.loads, sys.argv[1:])

def look(imports):
    exec(imports)
    before = [name for name in sys.modules if name.startswith("hf_mplm.modeling.modeling_")]
    import transformers
    kinds = []
    for folder in folders:
        config = transformers.AutoConfig.from_pretrained(folder)
        kinds.append([type(getattr(transformers, head).from_config(config)).__name__ for head in heads])
    print(json.dumps([imports, before, kinds]), flush=True)

for imports in variants:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        continue
    try:
        look(imports)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """By what was imported: our model classes that this loaded, and the classes of the heads of each architecture."""
    folder = tmp_path_factory.mktemp("configurations")
    for architecture in ARCHITECTURES:
        settings = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        settings |= {"vocab_size": 9, "model_type": f"{architecture.model_type}-langscript", "pad_token_id": 1}
        settings |= {"reference_compile": False} if architecture.name == "ModernBert" else {}
        (folder / architecture.name).mkdir()
        (folder / architecture.name / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    words = [list(HEADS), IMPORTS, *(str(folder / architecture.name) for architecture in ARCHITECTURES)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(json.dumps, words)],
        cwd=Path(hf_mplm.__file__).parents[1],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return {imports: rest for imports, *rest in map(json.loads, lines)}


@pytest.mark.parametrize("imports", IMPORTS)
def test_importing_the_package_is_all_that_the_auto_classes_need(imports: str, found: dict[str, list]) -> None:
    before, kinds = found[imports]
    assert before == [], "model classes must not load with the package"
    for architecture, names in zip(ARCHITECTURES, kinds):
        assert names == [name.format(architecture.name) for name in HEADS.values()]


def test_every_class_has_its_config_class(architecture: Architecture) -> None:
    architecture.config()
    for auto, name in HEADS.items():
        kind = getattr(modeling, name.format(architecture.name))
        assert kind.config_class is architecture.config
        assert getattr(transformers, auto)._model_mapping[architecture.config] is kind


def test_every_public_name_is_there() -> None:
    for name in modeling.__all__:
        assert callable(getattr(modeling, name)), name
    assert set(modeling.__all__) <= set(dir(modeling))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = modeling.nothing


def test_a_tokenizer_without_a_class_of_its_own_is_found_by_the_model_type(tiny_tokenizer, tmp_path: Path) -> None:
    ARCHITECTURES[0].langscript(tmp_path / "source").save_pretrained(tmp_path / "saved")
    tiny_tokenizer.save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    text = "All human beings are born free."
    wanted = tiny_tokenizer(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")(text)["input_ids"] == wanted
    assert settings.pop("tokenizer_class").startswith("XLMRobertaTokenizer")
    file.write_text(json.dumps(settings), encoding="utf-8")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert type(again).__name__.startswith("XLMRobertaTokenizer")
    assert again(text)["input_ids"] == wanted
