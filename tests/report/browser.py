"""A page in a real browser, for the tests of pages."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def run_in_browser(page: str, script: str, folder: Path) -> Any:
    """Open a page, run a script at its end, and return what the script gave to `done`, with `errors` of the page.

    Args:
        page (`str`): HTML.
        script (`str`): JavaScript that calls `done` with an object.
        folder (`Path`): an empty one, for the page and the browser's profile.
    """
    browser = os.environ.get("HF_MPLM_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs chromium (Debian's package, or HF_MPLM_CHROMIUM=/path/to/it)")
    catch = "<script>window.errors = []; addEventListener('error', (e) => errors.push(e.message));</script>"
    tell = """
    const done = (out) => {
      const pre = document.createElement("pre");
      pre.id = "result"; pre.textContent = JSON.stringify({ ...out, errors: window.errors });
      document.body.append(pre);
    };
    """
    page = page.replace("</title>", f"</title>{catch}", 1).replace(
        "</body>", f"<script>{tell}{script}</script></body>"
    )
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    (result,) = re.findall(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(result))
