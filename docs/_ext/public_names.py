"""Pages of the API, one a room, from the names that each room lists in `__all__`.

The pages are written before Sphinx reads its sources. A public name that has no docstring, or that stands on no page,
is a warning, which `make docs` takes for a failure.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

import hf_mplm


if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

logger = logging.getLogger(__name__)

REFERENCE = re.compile(r"\[`~?([\w.]+)`\]")


def rooms() -> dict[str, ModuleType]:
    """Every package of `hf_mplm` that lists names, itself not, by its name; parents before what they hold."""
    found = {}
    for info in pkgutil.walk_packages(hf_mplm.__path__, "hf_mplm."):
        if info.ispkg:
            module = importlib.import_module(info.name)
            if getattr(module, "__all__", None):
                found[info.name] = module
    return dict(sorted(found.items()))


@functools.cache
def homes() -> dict[str, list[str]]:
    """The names that each room's page describes: a name that several rooms list stands in the one highest up."""
    taken: set[int] = set()
    described = {}
    for room, module in sorted(rooms().items(), key=lambda item: (item[0].count("."), item[0])):
        described[room] = []
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if id(value) not in taken or not (inspect.isclass(value) or inspect.isroutine(value)):
                taken.add(id(value))
                described[room].append(name)
    return described


def description(room: str, name: str) -> str:
    """What a name is, in a line or more, or nothing: its docstring, or the `#:` comment above a constant."""
    value = getattr(importlib.import_module(room), name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    package = importlib.import_module(room)
    for module in [room, *(f"{room}.{found.name}" for found in pkgutil.iter_modules(package.__path__))]:
        if comment := ModuleAnalyzer.for_module(module).find_attr_docs().get(("", name)):
            return "\n".join(comment).strip()
    return ""


def entry(room: str, name: str) -> str:
    value = getattr(importlib.import_module(room), name)
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    elif inspect.isroutine(value):
        kind = "autofunction"
    else:
        return f".. py:data:: {name}\n   :module: {room}\n\n" + textwrap.indent(description(room, name), "   ")
    return f".. {kind}:: {room}.{name}"


def page(room: str, names: list[str]) -> str:
    parts = [f"{room}\n{'=' * len(room)}", f".. automodule:: {room}\n   :no-members:"]
    return "\n\n".join([*parts, *(entry(room, name) for name in names)]) + "\n"


def face() -> str:
    """The page of `hf_mplm` itself: what can be imported from it, and in which room it is described."""
    home: dict[str, str] = {}
    for room, names in homes().items():
        for name in names:
            home.setdefault(name, f"{room}.{name}")
    rows = []
    for name in hf_mplm.__all__:
        if not name.startswith("_"):
            first = description("hf_mplm", name).split("\n\n")[0].replace("\n", " ")
            rows.append(f"   * - :py:obj:`{name} <{home[name]}>`\n     - {first}")
    parts = [
        "The public names\n================",
        "``import hf_mplm`` is enough for all of these; what else a room holds stands on its page.",
        ".. list-table::\n   :widths: 30 70\n\n" + "\n".join(rows),
        ".. toctree::\n   :caption: Rooms\n\n" + "\n".join(f"   {room}" for room, names in homes().items() if names),
    ]
    return "\n\n".join(parts) + "\n"


def write_pages(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{room}.rst": page(room, names) for room, names in homes().items() if names}
    pages["index.rst"] = face()
    for stale in set(folder.glob("*.rst")) - {folder / name for name in pages}:
        stale.unlink()
    for name, text in pages.items():
        path = folder / name
        # An unchanged page keeps its time, so that a second build is quick.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def check_names(app: Sphinx, env: BuildEnvironment) -> None:
    described = env.domaindata["py"]["objects"]
    for room, names in homes().items():
        for name in names:
            if f"{room}.{name}" not in described:
                logger.warning("%s.%s is public and stands on no page", room, name)
            elif not description(room, name):
                logger.warning("%s.%s is public and has no docstring (a constant: a `#:` comment above)", room, name)


def from_markdown(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Docstrings have Markdown's fences and transformers' references, where Sphinx expects reStructuredText."""
    inside = ""
    for number, line in enumerate(lines):
        fence = re.fullmatch(r"(\s*)```(\w*)", line)
        if not fence:
            lines[number] = f"   {line}" if inside and line else line
        elif inside:
            lines[number], inside = "", ""
        else:
            inside = fence[2] or "text"
            lines[number] = f"{fence[1]}.. code-block:: {inside}\n"
    lines[:] = REFERENCE.sub(_linked, "\n".join(lines)).split("\n")


def _linked(found: re.Match[str]) -> str:
    """A name in brackets and backticks, as transformers' docstrings refer to it, as a link where it is public."""
    name = found[1].rsplit(".", 1)[-1]
    room = next((room for room, names in homes().items() if name in names), None)
    return f":py:obj:`{name} <{room}.{name}>`" if room else f"``{found[1]}``"


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Node) -> nodes.Node | None:
    """Lead a type in a signature, which names the module that defines it, to the room's page that describes it."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target.startswith("hf_mplm."):
        return None
    name = target.rsplit(".", 1)[-1]
    for room, names in homes().items():
        if name in names and f"{room}.{name}" != target:
            copy = node.copy()
            copy["reftarget"] = f"{room}.{name}"
            return env.domains.python_domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", copy["reftarget"], copy, contnode
            )
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", from_markdown, priority=100)
    app.connect("env-check-consistency", check_names)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
