from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hf_mplm
from hf_mplm.hub import plan_publication
from hf_mplm.modeling import XLMRobertaForLangScriptMLM

from .following import ROOT, blocks, commands, follow, translate
from .stage import build_stage


JOURNEYS = ROOT / "docs" / "journeys"
# What each journey leaves behind, besides an exit status of 0 of every command.
LEAVES = {
    "adapt-30-languages": ["encoder/config.json", "encoder/README.md", "comparison/comparison.html"],
    "search-in-200-languages": ["sentences/modules.json", "comparison/comparison.md"],
    "table-1-in-miniature": ["table/comparison/comparison.tex", "table/models/langsamp/model.safetensors"],
    "new-script": ["extended/tokenizer.json", "encoder/model.safetensors"],
}


@pytest.fixture
def stage(tmp_path: Path, tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = build_stage(tmp_path / "stage", tiny_encoder_folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return folder


def test_every_journey_is_followed() -> None:
    pages = {page.stem for page in JOURNEYS.glob("*.md")} - {"index"}
    assert pages == {*LEAVES, "load-without-this-package"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_a_journey_can_be_followed(name: str, stage: Path) -> None:
    if name == "search-in-200-languages":
        pytest.importorskip("sentence_transformers")
        pytest.importorskip("uroman")
    follow(JOURNEYS / f"{name}.md")
    assert [place for place in LEAVES[name] if not (stage / place).exists()] == []


@pytest.mark.slow
def test_a_checkpoint_loads_without_the_package(
    tmp_path: Path, tiny_encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = XLMRobertaForLangScriptMLM.from_encoder(tiny_encoder_folder, languages=["eng_Latn", "swh_Latn"])
    tokenizer = hf_mplm.load_tokenizer(tiny_encoder_folder)
    model.save_pretrained(tmp_path / "trained")
    hf_mplm.data.save_tokenizer(tokenizer, tmp_path / "trained")
    # The files as a push lays them out, under the name that the page gives them.
    with plan_publication(tmp_path / "trained", "me/my-encoder") as published:
        for name, content in published.files.items():
            path = tmp_path / "me" / "my-encoder" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    page = JOURNEYS / "load-without-this-package.md"
    code = "\n".join(block for language, block in blocks(page) if language == "python")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    # Whoever imports the package here fails.
    stranger = f"import sys\nsys.modules['hf_mplm'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", stranger], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tensor(" in done.stdout and "['eng', 'swh'] ['Latn']" in done.stdout


def test_the_rule() -> None:
    launched = next(commands("torchrun --nproc_per_node 4 -m hf_mplm pretrain \\\n  --store s --bf16  # why\n"))
    line = translate(launched)
    assert line[:3] == ["pretrain", "--store", "s"] and "--use_cpu" in line and "--bf16" not in line
    assert list(commands("pip install x\n# a\nhf-mplm check f")) == [["hf-mplm", "check", "f"]]
    assert translate(["hf-mplm", "check", "f"]) == ["check", "f"]
    smaller = translate(["hf-mplm", "static", "extract", "--min_count", "10"])
    assert smaller[:4] == ["static", "extract", "--min_count", "10"] and smaller[4:6] == ["--min_count", "1"]
    assert translate(["hf-mplm", "static", "map", "--static", "v"]) == ["static", "map", "--static", "v"]
    with pytest.raises(ValueError, match="does not say"):
        translate(["rm", "-r", "all"])


def test_a_page_that_is_wrong_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    for text, error in (("hf-mplm check nowhere", AssertionError), ("", NameError)):
        language = "bash" if text else "python"
        page.write_text(f"```{language}\n{text or 'no_such_name'}\n```\n", encoding="utf-8")
        with pytest.raises(error):
            follow(page)
