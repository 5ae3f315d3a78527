"""What the studies have in common: commands in processes of their own, and the text that they train on."""

from __future__ import annotations

import csv
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run(*words: object) -> None:
    """Run a command of `hf-mplm`, which goes on with what it finds, and show what would be typed."""
    line = list(map(str, words))
    print("hf-mplm", shlex.join(line), flush=True)
    subprocess.run([sys.executable, "-m", "hf_mplm", *line], check=True)


def run_example(name: str, *words: object) -> None:
    """Run another script of this folder."""
    line = list(map(str, words))
    print(f"python -m examples.{name}", shlex.join(line), flush=True)
    subprocess.run([sys.executable, "-m", f"examples.{name}", *line], check=True)


def write_training_text(sib200: Path, corpus: Path, languages: Sequence[str]) -> Path:
    """SIB-200's training sentences as `CODE.txt`; no sentence of a dev or test set."""
    corpus.mkdir(parents=True, exist_ok=True)
    for code in languages:
        with open(sib200 / code / "train.tsv", encoding="utf-8", newline="") as handle:
            lines = [row["text"].strip() for row in csv.DictReader(handle, delimiter="\t")]
        (corpus / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return corpus
