"""The rooms of the house: who may import whom, and that what moved is still found."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hf_mplm
from hf_mplm._moved import MOVED


PACKAGE = Path(hf_mplm.__file__).parent

# Room: the rooms that it may import. Modules beside the rooms (`_compat`, `_imports`, ...) serve all and import none.
MAY_IMPORT = {
    "languages": set(),
    "jobs": set(),
    "recipes": set(),
    "sample": set(),
    "modeling": {"jobs"},
    "losses": set(),
    "data": {"languages", "jobs"},
    "trainers": {"languages", "jobs", "data", "modeling", "losses"},
    "evaluation": {"languages", "jobs", "modeling", "losses", "data", "recipes"},
    "static": {"languages", "jobs", "data", "modeling", "evaluation", "hub"},
    "sprachbund": {"languages", "jobs", "data", "modeling", "evaluation"},
    "transfer": {"languages", "jobs", "evaluation", "data", "modeling", "losses", "trainers"},
    "report": {"languages", "jobs", "evaluation", "sprachbund", "transfer"},
    "hub": {"languages", "jobs", "data", "evaluation", "transfer", "report", "modeling"},
    # Puts what the others do into one line.
    "adapt": {
        *("languages", "jobs", "sample", "data", "modeling", "trainers", "evaluation", "sprachbund", "report", "hub"),
    },
}
# Within a room: the folder, and what of its own room it may import, besides itself.
WITHIN = {
    "data.corpus": set(),
    "data.tokenizing": {"data.corpus"},
    "data.romanization": {"data.corpus"},
    "data.batches": set(),
    "data.store": {"data.corpus", "data.tokenizing", "data.romanization", "data.batches"},
    "trainers.base": set(),
    "trainers.masked_lm": {"trainers.base"},
    "trainers.vocabulary": {"trainers.base"},
    "trainers.script_alignment": {"trainers.base", "trainers.masked_lm", "trainers.vocabulary"},
    "trainers.static_alignment": {"trainers.base", "trainers.masked_lm"},
    "evaluation.files": set(),
    "evaluation.metrics": set(),
    "evaluation.kinds": {"evaluation.files", "evaluation.metrics", "evaluation"},
    "evaluation.benchmarks": {"evaluation.files", "evaluation.metrics", "evaluation.kinds", "evaluation"},
    "evaluation.overlap": {"evaluation.files", "evaluation"},
    "hub.cards": {"hub"},
    "hub.exporting": {"hub", "hub.cards"},
    "static.extraction": {"static"},
    "sprachbund.vectors": set(),
    "sprachbund.clusters": {"sprachbund.vectors"},
    "sprachbund.linguistics": {"sprachbund.vectors", "sprachbund.clusters"},
    "sprachbund.collection": {"sprachbund.vectors", "sprachbund.clusters"},
    "transfer.findings": {"transfer"},
    "transfer.study": set(),
    "transfer.modules": set(),
    "transfer.tuning": set(),
    "transfer.scoring": {"transfer.modules", "transfer.study"},
    "transfer.interference": {"transfer.modules", "transfer.tuning"},
}
# A card is what training writes at the end of a run, and may publish, so that the trainer hands over to the hub.
EXCEPTIONS = {
    ("hf_mplm.trainers.base.trainer", "hf_mplm.hub.cards"),
    ("hf_mplm.trainers.base.publishing", "hf_mplm.hub.publishing"),
    ("hf_mplm.trainers.base.publishing", "hf_mplm.hub.publish_privacy"),
    ("hf_mplm.trainers.base.publishing", "hf_mplm.hub.publish_record"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports(path: Path, source: str | None = None) -> Iterator[tuple[str, bool]]:
    """The package's modules that a file imports, and whether while it is imported itself."""
    name = module_name(path)
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]

    def walk(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.ImportFrom):
                base = package[: len(package) - child.level + 1] if child.level else []
                target = ".".join([*base, *([child.module] if child.module else [])])
                for alias in child.names:
                    inner = f"{target}.{alias.name}"
                    yield (inner if is_module(inner) else target), at_import
            elif isinstance(child, ast.Import):
                yield from ((alias.name, at_import) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, at_import and not inside)

    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    yield from ((target, now) for target, now in walk(tree, True) if target.split(".")[0] == "hf_mplm")


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def fault(importer: str, target: str) -> str | None:
    here, there = importer.split(".")[1:], target.split(".")[1:]
    if not there or not here or (importer, target) in EXCEPTIONS:
        return None
    room, other = here[0], there[0]
    if other == "cli" and room not in ("cli", "__main__"):
        return f"{importer} imports {target}: nothing imports cli"
    if room != other:
        allowed = MAY_IMPORT.get(room)
        beside = not (PACKAGE / other).is_dir()
        return None if allowed is None or beside or other in allowed else f"{importer} imports {target}"
    place, inner = ".".join(here[:2]), ".".join(there[:2])
    if place not in WITHIN or place == inner:
        return None
    flat = room if len(there) > 1 and inner not in WITHIN else inner
    return None if flat in WITHIN[place] else f"{importer} imports {target}, which stands above it"


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    found = [fault(module_name(path), target) for target, _ in imports(path)]
    assert not [line for line in found if line]


def test_there_is_no_circle_not_even_one_hidden_in_a_function() -> None:
    graph = {
        module_name(path): {target for target, _ in imports(path)} for path in FILES if path.name != "__init__.py"
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in graph and name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_checks_would_notice() -> None:
    path = PACKAGE / "data" / "corpus" / "report.py"
    wrong = "def f():\n    from hf_mplm.trainers.masked_lm import trainer\n    from ..store import prepare\n"
    targets = [target for target, _ in imports(path, wrong)]
    assert targets == ["hf_mplm.trainers.masked_lm.trainer", "hf_mplm.data.store.prepare"]
    assert all(fault("hf_mplm.data.corpus.report", target) for target in targets)
    assert fault("hf_mplm.evaluation.runner", "hf_mplm.cli.main")


@pytest.mark.parametrize("room", sorted({*MAY_IMPORT, *WITHIN, "cli"}))
def test_every_room_says_what_it_holds(room: str) -> None:
    source = (PACKAGE.joinpath(*room.split(".")) / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{room} does not say what lives there"


def test_old_names_give_the_same_modules_and_say_the_new_ones() -> None:
    for old, new in sorted(MOVED.items()):
        assert is_module(new) and not is_module(old), old
    code = (
        "import sys, warnings; warnings.simplefilter('error'); import hf_mplm\n"
        "try: import hf_mplm.evaluation.records\n"
        "except FutureWarning as warning: assert 'hf_mplm.evaluation.files.records' in str(warning)\n"
        "else: raise SystemExit('no warning')\n"
        "warnings.simplefilter('ignore')\n"
        "from hf_mplm.evaluation.records import __dict__ as old\n"
        "from hf_mplm.evaluation.files.records import __dict__ as new\n"
        "module = sys.modules['hf_mplm.evaluation.files.records']\n"
        "assert old is new and module.__spec__.name == module.__name__ == 'hf_mplm.evaluation.files.records'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_a_name_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_task"):
        importlib.import_module("hf_mplm.evaluation.no_such_task")
