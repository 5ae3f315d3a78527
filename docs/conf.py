"""How the documentation is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path


HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import hf_mplm  # noqa: E402


project = "hf_mplm"
author = "The hf_mplm authors"
copyright = f"2026, {author}"
version = release = hf_mplm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "public_names"]
exclude_patterns = ["_build", "_ext", "_static"]

# Links of pages are to headings, as on GitHub: page.md#a-heading.
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

# Docstrings write code between single backticks, as transformers' do.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"hf_mplm {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
