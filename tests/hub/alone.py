"""An installed package without its checkout: the help of every verb, and pushes that load back.

`python -m tests.hub.alone PYTHON`, of an environment into which a wheel was installed and nothing else:

    python -m pip wheel . --no-deps --wheel-dir dist
    python -m venv alone && alone/bin/pip install torch dist/hf_mplm-*.whl
    python -m tests.hub.alone alone/bin/python
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from .loading import ROOT, call
from .server import LoopbackHub


# Makes what is published, and tells what loading it must give.
MAKE = """
import json, sys
import numpy as np
from transformers import AutoModel, AutoTokenizer
import hf_mplm
from hf_mplm.data.tokenizing.tokenizers import save_tokenizer
from hf_mplm.modeling import BertForLangScriptMLM
from hf_mplm.sample import write_start
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.word_table import WordTable
sys.path.insert(0, sys.argv[1])
from loading_ways import bits, states
start = write_start("start")
tokenizer = AutoTokenizer.from_pretrained(start)
BertForLangScriptMLM.from_encoder(start, ["eng_Latn", "swh_Latn"]).save_pretrained("langsamp")
save_tokenizer(tokenizer, "langsamp")
vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
table = WordTable("eng_Latn", ["one", "two", "three"], np.array([3, 2, 1]), vectors)
StaticEmbeddings([table]).save_pretrained("static")
tokens = tokenizer("Jambo dunia").input_ids
told = {
    "langsamp": {"kind": "langsamp", "states": states(AutoModel.from_pretrained("langsamp").eval()), "tokens": tokens},
    "static": {"kind": "static", "states": bits(vectors)},
}
print("\\n" + json.dumps({"package": hf_mplm.__file__, "made": told}))
"""


def run(python: str, hub: LoopbackHub, work: Path, *words: str) -> str:
    """What a command prints that ends well, in a folder and a path that know no checkout."""
    environment = hub.environment(work / "home")
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([python, *words], env=environment, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)[:80]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def check(python: str, work: Path) -> list[tuple[str, str]]:
    """What was tried, and what came of it, in the order in which a person meets it."""
    found = []
    with LoopbackHub() as hub:
        verbs = re.findall(r"^  ([a-z-]+)  ", run(python, hub, work, "-m", "hf_mplm", "--help"), re.MULTILINE)
        assert len(verbs) > 10, verbs
        for verb in verbs:
            is_whole = "usage:" in run(python, hub, work, "-m", "hf_mplm", verb, "--help")
            found.append((f"{verb} --help", "equal" if is_whole else "prints no usage"))
        told = json.loads(run(python, hub, work, "-c", MAKE, str(Path(__file__).parent)).splitlines()[-1])
        if Path(told["package"]).is_relative_to(ROOT):
            raise SystemExit(f"{python} has the checkout ({told['package']}), not a wheel")
        expected = {}
        for name, wanted in told["made"].items():
            words = ["push", name, f"somebody/{name}", "--license", "mit", "--tag", "v1"]
            is_there = "Published" in run(python, hub, work, "-m", "hf_mplm", *words)
            found.append((" ".join(words), "equal" if is_there else "was not published"))
            expected[f"somebody/{name}"] = wanted
        (work / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
        for way in ("package", "stranger"):
            home = work / f"home-{way}"
            part = call(python, hub, home, "load", way, str(work / "expected.json"), package=False)
            ways = {"": part} if "error" in part else part
            found += [(f"{name} by {how}", outcome) for name, one in ways.items() for how, outcome in one.items()]
    return found


def main() -> int:
    """Print what was tried; 0 if all of it is as it should be."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = check(str(Path(sys.argv[1]).absolute()), Path(scratch))
    for row in rows:
        print(": ".join(row))
    good = sum(outcome == "equal" for _, outcome in rows)
    print(f"{good} of {len(rows)} are as they should be")
    return good != len(rows)


if __name__ == "__main__":
    sys.exit(main())
