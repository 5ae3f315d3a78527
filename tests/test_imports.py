from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hf_mplm._imports import require


def test_a_module_that_is_installed_is_returned() -> None:
    assert require("os.path", extra="report") is sys.modules["os.path"]


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_a_missing_module_names_the_line_to_type(module: str) -> None:
    with pytest.raises(ImportError, match=rf'{module} is needed .*pip install "hf-mplm\[report\]"') as error:
        require(module, extra="report")
    assert error.value.name == "no_such_package"


def test_a_module_that_fails_by_itself_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as error:
        require("broken_package", extra="report")
    assert "pip install" not in str(error.value)
