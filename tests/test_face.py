"""The face of the package: every public name is there, is typed, and is found without a deep import."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hf_mplm


PACKAGE = Path(hf_mplm.__file__).parent
ROOT = PACKAGE.parent


def lazy_packages() -> list[str]:
    found = [path for path in PACKAGE.rglob("__init__.py") if "lazy_names(__name__" in path.read_text("utf-8")]
    return sorted(".".join(path.parent.relative_to(ROOT).parts) for path in found)


def typed_names(package: str) -> set[str]:
    """What the `TYPE_CHECKING` block of a package imports from its modules."""
    tree = ast.parse((ROOT.joinpath(*package.split(".")) / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    imported = [node for node in block.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.name for node in imported for alias in node.names}


@pytest.mark.parametrize("package", lazy_packages())
def test_what_is_listed_typed_and_loaded_is_the_same(package: str) -> None:
    module = importlib.import_module(package)
    listed = set(module.__all__) - {"__version__"}
    assert listed == typed_names(package) == {name for names in module._NAMES.values() for name in names}
    assert all(getattr(module, name) is not None for name in listed)
    # Importing a module binds its name in its package, where it would hide what is public there.
    assert not listed & {found.name for found in pkgutil.iter_modules(module.__path__)}
    assert listed <= set(dir(module))
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_rooms_are_reachable_after_one_import() -> None:
    code = (
        "import hf_mplm; print(hf_mplm.languages.parse_code('de').code, hf_mplm.report.table.__name__, "
        "callable(hf_mplm.iter_corpus), hf_mplm.evaluation.files.records.__name__, "
        "hf_mplm.hub.exporting.onnx_export.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = ["hf_mplm.evaluation.files.records", "hf_mplm.hub.exporting.onnx_export"]
    assert done.stdout.split() == ["deu_Latn", "hf_mplm.report.table", "True", *modules]


def test_examples_and_pages_need_no_deep_import() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.py")]
    deep = re.compile(r"^\s*(?:from|import) hf_mplm\.\w+\.\w+", re.MULTILINE)
    assert {
        path.name: deep.findall(path.read_text("utf-8")) for path in pages if deep.search(path.read_text("utf-8"))
    } == {}
    assert deep.search("from hf_mplm.evaluation.runner import evaluate")


@pytest.mark.slow
def test_a_type_checker_knows_every_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    mypy = pytest.importorskip("mypy.api")
    lines, expected = [], 0
    for number, package in enumerate(["hf_mplm", *lazy_packages()]):
        lines.append(f"import {package} as room{number}")
        names = [name for name in importlib.import_module(package).__all__ if name != "__version__"]
        lines += [f"reveal_type(room{number}.{name})" for name in names]
        expected += len(names)
    script = tmp_path / "names.py"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    printed, errors, _ = mypy.run(["--config-file", str(ROOT / "setup.cfg"), str(script)])
    assert not errors and printed.count("Revealed type is") == expected, printed[-2000:]
    assert not re.findall(r'.*Revealed type is "Any".*', printed)
