"""A card as a page, as the Hub shows it: headings, code, folded parts, and tables that scroll sideways.

`python -m tests.hub.card_pages README.md PAGE.html [--open]` writes one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem; color: #16191d; }
pre { background: #f5f7f9; padding: .7rem 1rem; overflow-x: auto; } code { font-size: .88em; overflow-wrap: anywhere; }
pre code { overflow-wrap: normal; } img { max-width: 100%; } .scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .88rem; } th, td { border: 1px solid #d8dce2; padding: .25rem .5rem; }
p, li { overflow-wrap: anywhere; }
"""


def card_page(card: str, *, is_open: bool = False) -> str:
    """The page of a card.

    Args:
        card (`str`): with its metadata.
        is_open (`bool`, *optional*, defaults to `False`): unfold what is folded.
    """
    from markdown_it import MarkdownIt  # which huggingface_hub 2 brings along

    text = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    body = body.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    if is_open:
        body = body.replace("<details>", "<details open>")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(
        card_page(Path(sys.argv[1]).read_text(encoding="utf-8"), is_open="--open" in sys.argv), encoding="utf-8"
    )
