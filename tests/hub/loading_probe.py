"""One process of `tests.hub.loading`: publishes artefacts, or loads them and compares. Prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path


if __name__ == "__main__":
    # A stranger has these few files and no package.
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    if sys.argv[1] == "publish":
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        from loading_publish import publish

        print("\n" + json.dumps(publish(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])))
    else:
        if sys.argv[2] == "stranger":
            # Also where the package is installed into this Python, as a checkout is by `make setup`.
            sys.modules["hf_mplm"] = None  # type: ignore[assignment]
        from loading_ways import load

        print("\n" + json.dumps(load(sys.argv[2], json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))))
