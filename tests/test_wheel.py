"""The wheel, as `pip install` gets it: it holds all that the package reads, and asks for all that it imports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

import hf_mplm


PACKAGE = Path(hf_mplm.__file__).parent
ROOT = PACKAGE.parent
# What setuptools reads, and the files that it names.
SOURCES = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")
FOR_DEVELOPERS = ("dev", "docs")
# Modules of the library `evaluate`, which loads them itself: nobody has them run who has not installed it.
METRIC_MODULES = "hub/metric_modules/"
# Packages that are not called as the module in them is.
PACKAGES = {"google": "protobuf", "sklearn": "scikit-learn", "yaml": "pyyaml"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a wheel holds, as a folder, built from a copy: what an earlier build left would go in too."""
    pytest.importorskip("setuptools", minversion="68", reason="this environment builds no wheels")
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, source / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    # The steps of a wheel but for its compression, which takes half a minute.
    words = ["setup.py", "--quiet", "build_py", "--build-lib", built, "dist_info", "--output-dir", built]
    subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=source)
    return built


def test_every_file_of_the_package_is_in_it_and_no_other(wheel: Path) -> None:
    here, there = _files(PACKAGE), _files(wheel / PACKAGE.name)
    assert sorted(here - there) == [] and sorted(there - here) == []
    # Vacuity guard: files of each kind that a verb reads are among them.
    read = {PurePosixPath(name).suffix for name in there}
    assert {".md", ".tsv", ".yaml", ".css", ".js", ".html", ".parquet", ".safetensors"} <= read


def test_every_module_that_it_imports_is_of_a_package_that_it_asks_for(wheel: Path) -> None:
    told = next(wheel.glob("*.dist-info/METADATA")).read_text(encoding="utf-8")
    asked = set()
    for line in told.splitlines():
        if wanted := re.match(r"Requires-Dist: ([\w.-]+)", line):
            extra = re.search(r'extra == "(\w+)"', line)
            if extra is None or extra[1] not in FOR_DEVELOPERS:
                asked.add(_normalised(wanted[1]))
    lacking = {}
    for name in sorted(_files(wheel / PACKAGE.name)):
        if not name.endswith(".py") or name.startswith(METRIC_MODULES):
            continue
        for module in _imported((wheel / PACKAGE.name / name).read_text(encoding="utf-8")):
            if _normalised(PACKAGES.get(module, module)) not in asked:
                lacking.setdefault(module, name)
    assert not lacking, f"imported, and neither in install_requires nor in an extra of setup.cfg: {lacking}"


def test_the_search_sees_imports_wherever_they_stand() -> None:
    source = (
        "import os\nfrom . import a\nfrom hf_mplm import b\ndef f():\n    import one.part\n    from two import c\n"
    )
    assert _imported(source) == {"one", "two"}


def _files(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if "__pycache__" not in path.parts}


def _imported(source: str) -> set[str]:
    """Top-level names of the modules of others that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        found |= {name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {PACKAGE.name}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
