"""`hf-mplm transfer plan`, `run`, `status`, `report`, `predict` and `advise`, on a whole small study."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_mplm.cli.main import main
from tests.transfer.world import BACKENDS, World, build_world, train_modules


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("backend", BACKENDS[:1])
def test_a_study_from_plan_to_advice(
    backend: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = train_modules(world, backend, "sib200", "pos")
    study = str(tmp_path / "study")
    plan = ["transfer", "plan", "--config", "transfer-study", "--study", study, "--model", str(world.base)]
    plan += ["--modules", str(modules), "--data_dir", str(world.data), "--store", str(world.store)]
    plan += ["--tasks", "sib200,pos", "--steps", "1", "2", "--repeats", "2", "--batch_size", "2", "--max_length", "32"]
    assert main(plan) == 0
    told = capsys.readouterr().out
    assert "7 units (1 baseline, 6 tuning) with 78 cells" in told  # 2 tasks x 3 targets x (1 + 6 x 2)
    assert "left out: pos in fra_Latn" in told and "6 cells were timed" in told
    assert main([*plan[:-1], "16"]) == 2
    assert "--max_length was 32 and is 16" in capsys.readouterr().err

    assert main(["transfer", "report", "--study", study]) == 2
    assert f"hf-mplm transfer run --study {study}" in capsys.readouterr().err
    assert main(["transfer", "run", "--study", study, "--max_units", "2"]) == 0
    assert "3 done, 4 open" in capsys.readouterr().out.replace("done, 4", "done, 4")
    assert main(["transfer", "run", "--study", study]) == 0
    assert "4 units finished, 0 failed" in capsys.readouterr().out
    assert main(["transfer", "status", "--study", study]) == 0
    told = capsys.readouterr().out
    assert "7 done" in told and "Donors so far" in told and "deu_Latn" in told

    assert main(["transfer", "report", "--study", study, "--seen", "eng_Latn,deu_Latn"]) == 0
    assert "## Seen and unseen languages" in (tmp_path / "study" / "report" / "report.md").read_text()
    written = [path for path in (tmp_path / "study" / "report").rglob("*") if path.is_file()]
    assert {".parquet", ".md", ".tex", ".csv", ".html"} <= {path.suffix for path in written}
    assert main(["transfer", "predict", "--study", study, "--targets", "fra_Latn"]) == 0
    assert "fra_Latn" in capsys.readouterr().out
    assert main(["transfer", "advise", "--study", study, "--target", "swh_Latn", "--task", "pos"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {row[0] for row in rows if "measured" in row and row[0] != "donor"} == {"deu_Latn", "eng_Latn"}
    assert main(["donors", "--target", "swh_Latn", "--study", study, "--task", "pos", "--among", "rus_Cyrl"]) == 0
    told = capsys.readouterr().out
    assert "deu_Latn" in told and "rus_Cyrl" in told and "predicted" in told
    assert main(["donors", "--target", "swh_Latn", "--study", study, "--model", "x"]) == 2
    assert "--study ranks by transfer scores" in capsys.readouterr().err
    assert main(["donors", "--target", "swh_Latn", "--model", "x"]) == 2
    assert "--among eng_Latn,arb_Arab" in capsys.readouterr().err
    assert main(["transfer", "advise", "--study", study]) == 2
    assert "--target swh_Latn --task pos" in capsys.readouterr().err
