from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples.script_alignment import GROUPS
from tests.fixtures import CORPUS

from .following import ROOT
from .stage import build_stage, make_static, write_data, write_encoder, write_text


EXAMPLES = ROOT / "examples"
SMALL = "--max_steps 2"
# What each script is given, and what it leaves.
LINES = {
    "langsamp": (f"--output out {SMALL}", "out/model/config.json"),
    "script_alignment": (
        f"--output out --groups mediterranean --objectives mlm --corpus near/text --data_dir near {SMALL} "
        "--start_steps 2 --batch_size 4 --vocab_size 1000 --hidden_size 32 --num_layers 2",
        "out",
    ),
    "sprachbund_study": (
        "--data data --output out --encoder tiny=START --start START --languages 4 --clusters 2 --measured 1 "
        "--steps 8 --holdout 2 --every 4 --seeds 1 --budgets total",
        "out/losses.md",
    ),
    "static_alignment": (
        f"--model START --static mapped --output out --corpus text --data_dir data --runs mlm {SMALL} --batch_size 4 "
        "--words_per_step 64",
        "out",
    ),
    "static_alignment_seeds": (
        "--model START --store store --static mapped --data_dir data --output out --tasks flores --runs mlm "
        f"--seeds 1 --languages eng_Latn swh_Latn {SMALL} --batch_size 4 --words_per_step 64 --train_flags --use_cpu",
        "out/seeds.md",
    ),
    "static_space": (
        "--static mapped --dictionary lexicons/eng_Latn-swh_Latn.tsv --output out.svg",
        "out.svg",
    ),
}
# A journey follows the first, and the study has tests of its own. The sample's encoder is made from weights that no
# test has, and the comparison of initialisations takes minutes.
ELSEWHERE = {"langsamp_table", "reference_study", "sample_start", "transfer_agreement", "vocabulary_initializations"}
# What scripts share.
SHARED = {"__init__", "commands"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_folder: Path) -> Path:
    folder = build_stage(tmp_path_factory.mktemp("examples") / "stage", tiny_encoder_folder)
    # Deep enough for the layer that the papers' recipes measure.
    write_encoder(folder / "START", tiny_encoder_folder, layers=8)
    shutil.copytree(CORPUS, folder / "data" / "udhr")
    languages = ["eng_Latn", *GROUPS["mediterranean"]["languages"]]
    (folder / "near").mkdir()
    write_text(folder / "near" / "text", languages)
    write_data(folder / "near", languages)
    return folder


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} - SHARED == {*LINES, *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_an_example_runs(name: str, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, left = LINES[name]
    if name == "script_alignment":
        pytest.importorskip("uroman")
    folder = shutil.copytree(stage, tmp_path / "place")
    if "mapped" in flags:
        make_static(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", f"examples.{name}", *flags.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert (folder / left).exists()
