from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hf_mplm

from .following import ROOT


pytest.importorskip("sphinx")


@pytest.fixture
def public_names(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    return importlib.import_module("public_names")


def warnings_of(public_names: Any, described: set[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(public_names.logger, "warning", lambda text, *values: told.append(text % values))
    environment = SimpleNamespace(domaindata={"py": {"objects": described}})
    public_names.check_names(SimpleNamespace(), environment)
    return told


def test_every_public_name_has_a_page(public_names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = public_names.homes()
    listed = {name for names in homes.values() for name in names}
    assert set(hf_mplm.__all__) - {"__version__"} <= listed
    everything = {f"{room}.{name}" for room, names in homes.items() for name in names}
    assert warnings_of(public_names, everything, monkeypatch) == []
    for room, names in homes.items():
        page = public_names.page(room, names)
        assert all(re.search(rf":: ({re.escape(room)}\.)?{re.escape(name)}$", page, re.MULTILINE) for name in names)


def test_a_name_without_page_or_docstring_is_a_warning(public_names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {f"{room}.{name}" for room, names in public_names.homes().items() for name in names}
    told = warnings_of(public_names, everything - {"hf_mplm.data.load_store"}, monkeypatch)
    assert told == ["hf_mplm.data.load_store is public and stands on no page"]
    monkeypatch.setattr(hf_mplm.data.load_store, "__doc__", None)
    (line,) = warnings_of(public_names, everything, monkeypatch)
    assert line.startswith("hf_mplm.data.load_store is public and has no docstring")


def test_docstrings_become_what_sphinx_reads(public_names: Any) -> None:
    lines = ["See [`load_store`] and [`~somewhere.else`].", "", "    ```python", "    x = 1", "    ```", "After."]
    public_names.from_markdown(None, "function", "f", None, None, lines)
    assert lines == [
        "See :py:obj:`load_store <hf_mplm.data.load_store>` and ``somewhere.else``.",
        "",
        "    .. code-block:: python",
        "",
        "       x = 1",
        "",
        "After.",
    ]


@pytest.mark.slow
def test_the_site_is_built_and_asks_for_nothing(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    built = tmp_path / "html"
    done = subprocess.run([*command, ROOT / "docs", built], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = sorted(built.rglob("*.html"))
    assert {page.stem for page in (ROOT / "docs").rglob("*.md")} <= {page.stem for page in pages}
    for page in pages:
        loaded = re.findall(r'<(?:script|img|link)[^>]*?(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert [one for one in loaded if one.startswith(("http:", "https:", "//", "/"))] == [], page
