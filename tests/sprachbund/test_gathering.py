from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_mplm.jobs.files import DamagedError
from hf_mplm.sprachbund.linguistics.gathering import gather_vectors, paths_of_vectors
from hf_mplm.sprachbund.vectors.language_vectors import LanguageVectors

from .test_analysis import vectors_of


def made(codes: list[str], view: str, seed: int) -> LanguageVectors:
    return vectors_of({view: np.random.default_rng(seed).normal(size=(len(codes), 4))}, codes)


def test_views_of_several_folders_stand_side_by_side_with_their_own_centres(tmp_path: Path) -> None:
    encoder, control = (
        made(["eng_Latn", "fin_Latn", "tur_Latn"], "layer4-mean", 0),
        made(["fin_Latn", "eng_Latn", "swh_Latn"], "characters", 1),
    )
    encoder.save(tmp_path / "encoder")
    control.save(tmp_path / "control")
    both, lost = gather_vectors([tmp_path / "encoder", tmp_path / "control"])
    assert both.languages == ["eng_Latn", "fin_Latn"] and both.views == ["layer4-mean", "characters"]
    assert list(lost.values()) == [["tur_Latn"], ["swh_Latn"]]
    for whole, view in ((encoder, "layer4-mean"), (control, "characters")):
        rows = [whole.row(code) for code in both.languages]
        assert both.matrix(view) == pytest.approx(whole.matrix(view)[rows])


def test_what_cannot_stand_side_by_side_is_refused(tmp_path: Path) -> None:
    made(["eng_Latn", "fin_Latn"], "layer4-mean", 0).save(tmp_path / "one")
    made(["eng_Latn", "fin_Latn"], "layer4-mean", 1).save(tmp_path / "other")
    made(["swh_Latn", "tur_Latn"], "characters", 1).save(tmp_path / "third")
    with pytest.raises(ValueError, match="both have the view layer4-mean"):
        gather_vectors([tmp_path / "one", tmp_path / "other"])
    with pytest.raises(ValueError, match="no language in common"):
        gather_vectors([tmp_path / "one", tmp_path / "third"])
    with pytest.raises(ValueError, match="sprachbund vectors"):
        gather_vectors([])
    (tmp_path / "one" / "vectors.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedError, match=r"vectors\.safetensors"):
        gather_vectors([tmp_path / "one"])


def test_vectors_are_found_in_a_folder_and_within_it(tmp_path: Path) -> None:
    assert paths_of_vectors(tmp_path) == []
    made(["eng_Latn", "fin_Latn"], "layer4-mean", 0).save(tmp_path / "vectors")
    assert paths_of_vectors(tmp_path) == [tmp_path / "vectors"] and paths_of_vectors(tmp_path / "vectors")
