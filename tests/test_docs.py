"""The documentation keeps its promises: names exist and are described, links lead somewhere, flags are flags."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import hf_mplm
from hf_mplm.cli.main import VERBS
from hf_mplm.recipes import list_recipes


ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "model_cards").rglob("*.md")])
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(hf_mplm.__path__, "hf_mplm.") if not info.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        value = getattr(module, public)
        if not (inspect.isclass(value) or inspect.isfunction(value)) or not value.__module__.startswith("hf_mplm"):
            continue
        assert inspect.getdoc(value), f"{name}.{public} has no docstring"
        if inspect.isclass(value):
            undescribed = [
                method
                for method, member in vars(value).items()
                if not method.startswith("_")
                and inspect.isfunction(member)
                and not inspect.getdoc(getattr(value, method))
            ]
            assert not undescribed, f"{name}.{public}: {undescribed} have no docstring"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        # The pages of `docs/api` are written when the site is built, which fails on links that lead nowhere.
        if not re.match(r"[a-z]+:|api/", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def listed(page: Path) -> set[Path]:
    """The pages that the lists (`toctree`) of a page name, by name or by pattern."""
    found: set[Path] = set()
    for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        for entry in (line.strip() for line in block.splitlines()):
            if entry and not entry.startswith(":"):
                found |= {one.resolve() for one in page.parent.glob(f"{entry}.md")}
    return found


def test_every_page_stands_in_a_list() -> None:
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md")}
    lists = set.union(*(listed(page) for page in pages))
    missing = sorted(str(page.relative_to(ROOT)) for page in pages - lists - {(ROOT / "docs" / "index.md").resolve()})
    assert not missing, f"add to a list of docs/index.md, or of the index.md of its folder: {missing}"


def commands(page: Path) -> list[list[str]]:
    """Every `hf-mplm` command in the fenced blocks of a page, line continuations joined."""
    found = []
    for block in re.findall(r"```(?:bash|console|sh)\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").split("\n"):
            start = re.search(r"^\s*hf-mplm |-m hf_mplm ", line)
            if start:
                found.append(shlex.split(line[start.end() :], comments=True))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_name_real_verbs_flags_and_recipes(page: Path) -> None:
    for verb, *rest in commands(page):
        if verb.startswith("-"):
            continue
        assert verb in VERBS, f"{page.name}: hf-mplm {verb}"
        make_parser = importlib.import_module(f"hf_mplm.cli.{VERBS[verb][0]}").make_parser
        # Some verbs have actions, with flags of their own.
        has_actions = bool(inspect.signature(make_parser).parameters)
        known = set((make_parser(rest[0]) if has_actions else make_parser())._option_string_actions)
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0] in known, f"{page.name}: hf-mplm {verb} has no flag {word}"
        if "--config" in rest:
            recipe = rest[rest.index("--config") + 1]
            assert recipe.endswith((".yaml", ".yml")) or recipe in list_recipes(), f"{page.name}: no recipe {recipe}"


def test_the_checks_would_notice(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nhf-mplm prepare \\\n  --corpsu text  # a comment\n```\n[a](nowhere.md)\n", encoding="utf-8"
    )
    assert commands(page) == [["prepare", "--corpsu", "text"]]
    with pytest.raises(AssertionError, match="nowhere"):
        test_links_lead_somewhere(page)
    (tmp_path / "other.md").touch()
    for entries, number in (("page", 1), ("*", 2), (":glob:", 0)):
        (tmp_path / "list.md").write_text(f"```{{toctree}}\n{entries}\n```\n", encoding="utf-8")
        assert len(listed(tmp_path / "list.md") - {(tmp_path / "list.md").resolve()}) == number
    with pytest.raises(AssertionError, match="--corpsu"):
        test_commands_name_real_verbs_flags_and_recipes(page)
