from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers.dynamic_module_utils import get_relative_import_files, get_relative_imports

from hf_mplm import modeling
from hf_mplm.modeling import remote_code

from .models import ARCHITECTURES, Architecture


PROBE = Path(__file__).with_name("remote_code_probe.py")


def modeling_file(architecture: Architecture) -> Path:
    return Path(remote_code.__file__).with_name(architecture.masked_lm.remote_file)


def test_every_class_loads_with_its_remote_code_where_the_package_is_missing(tmp_path: Path) -> None:
    """One fresh process for all heads of all architectures: local classes would win over remote code in this one."""
    folders, losses = {}, {}
    ids = torch.arange(4, 14).view(2, 5)
    for architecture in ARCHITECTURES:
        model = architecture.langscript(tmp_path / f"{architecture.name}-source")
        folder = str(tmp_path / architecture.name)
        model.save_pretrained(folder)
        language = {"language_ids": torch.tensor([0, 1]), "script_ids": torch.tensor([1, 0])}
        folders[folder], losses[folder] = architecture, model(input_ids=ids, labels=ids, **language).loss.item()
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, str(PROBE), *folders],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for folder, architecture in folders.items():
        report = found[folder]
        assert report["refused"], "without trust_remote_code nothing may run"
        name = architecture.name
        expected = {
            "AutoModel": f"{name}LangScriptModel",
            "AutoModelForMaskedLM": f"{name}ForLangScriptMLM",
            "AutoModelForSequenceClassification": f"{name}LangScriptForSequenceClassification",
            "AutoModelForTokenClassification": f"{name}LangScriptForTokenClassification",
            "AutoModelForQuestionAnswering": f"{name}LangScriptForQuestionAnswering",
        }
        for head, (class_name, module, missing) in report["heads"].items():
            assert (class_name, module) == (expected[head], "transformers_modules")
            new = () if head in ("AutoModel", "AutoModelForMaskedLM") else ("classifier", "qa_outputs", "head.")
            assert all(key.startswith(new) for key in missing) if new else not missing, (head, missing)
        assert report["loss"] == pytest.approx(losses[folder], rel=1e-6)
        # What the remote class saves is a whole checkpoint again.
        assert report["again"] == expected["AutoModelForTokenClassification"]


def test_the_files_that_travel_are_those_that_are_imported(architecture: Architecture) -> None:
    file = str(modeling_file(architecture))
    assert {Path(needed).name for needed in get_relative_import_files(file)} == set(remote_code.SHARED_FILES)
    # Older versions of transformers copy no more than these from a local folder.
    assert {f"{module}.py" for module in get_relative_imports(file)} == set(remote_code.SHARED_FILES)


@pytest.mark.parametrize(
    "head", ["Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"]
)
def test_every_head_saves_an_auto_map_for_all_heads(architecture: Architecture, tmp_path: Path, head: str) -> None:
    """A fine-tuned classifier too: its encoder must stay loadable."""
    architecture.langscript(tmp_path / "source").save_pretrained(tmp_path / "checkpoint")
    kind = getattr(modeling, f"{architecture.name}LangScript{head}")
    kind.from_pretrained(tmp_path / "checkpoint").save_pretrained(tmp_path / "tuned")
    config = json.loads((tmp_path / "tuned" / "config.json").read_text(encoding="utf-8"))
    assert set(config["auto_map"]) == {
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
    }
    for reference in config["auto_map"].values():
        module, _, name = reference.partition(".")
        assert f"class {name}(" in (tmp_path / "tuned" / f"{module}.py").read_text(encoding="utf-8")
    assert {file.name for file in (tmp_path / "tuned").glob("*.py")} == {
        modeling_file(architecture).name,
        *remote_code.SHARED_FILES,
    }
    assert config["architectures"] == [kind.__name__]
