from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples.script_alignment import GROUPS
from hf_mplm.cli.main import main
from hf_mplm.data import load_tokenizer, save_tokenizer
from tests.fixtures import CORPUS, tiny_xlm_roberta

from .following import ROOT
from .stage import build_stage, write_data, write_text


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
        "--steps 8 --holdout 2 --every 4 --seeds 1",
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
# A journey follows the first; the study has tests of its own. What makes the sample's encoder needs weights that no test
# has, and the comparison of initialisations takes minutes.
ELSEWHERE = {"langsamp_table", "reference_study", "sample_start", "vocabulary_initializations"}
# What scripts share.
SHARED = {"__init__", "commands"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_folder: Path) -> Path:
    folder = build_stage(tmp_path_factory.mktemp("examples") / "stage", tiny_encoder_folder)
    # Deep enough for the layer that the papers' recipes measure.
    tokenizer = load_tokenizer(tiny_encoder_folder)
    tiny_xlm_roberta(len(tokenizer), num_hidden_layers=8).save_pretrained(folder / "START")
    save_tokenizer(tokenizer, folder / "START")
    shutil.copytree(CORPUS, folder / "data" / "udhr")
    languages = ["eng_Latn", *GROUPS["mediterranean"]["languages"]]
    (folder / "near").mkdir()
    write_text(folder / "near" / "text", languages)
    write_data(folder / "near", languages)
    return folder


def make_static(folder: Path) -> None:
    """Word vectors of two languages, a dictionary, and a store, as the heads of the scripts ask for them."""
    start, text = str(folder / "START"), str(folder / "text")
    few = ["--languages", "eng_Latn", "swh_Latn"]
    extract = ["static", "extract", "--model", start, "--corpus", text, "--output", str(folder / "vectors"), *few]
    assert main([*extract, "--method", "pooled", "--min_count", "1", "--num_proc", "1"]) == 0
    (folder / "lexicons").mkdir()
    lexicon = folder / "lexicons" / "eng_Latn-swh_Latn.tsv"
    lexicon.write_text("the\tya\nof\twa\nand\tna\nin\tkatika\n", encoding="utf-8")
    mapped = ["--dictionary", str(lexicon), "--output", str(folder / "mapped")]
    assert main(["static", "map", "--static", str(folder / "vectors"), *mapped]) == 0
    sizes = ["--chunk_length", "64", "--holdout", "4", "--num_proc", "1"]
    assert main(["prepare", "--corpus", text, "--tokenizer", start, "--output", str(folder / "store"), *sizes]) == 0


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
