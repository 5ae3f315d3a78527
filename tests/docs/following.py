"""Runs the code of a page, block by block in its order, in the folder that `stage.py` builds.

The rule by which a command of a page becomes the one that runs, and there is no other:

- `torchrun ... -m hf_mplm VERB` and `accelerate launch ... -m hf_mplm VERB` are `hf-mplm VERB` in one process;
- a verb of `SMALLER`, or a verb and its action, has those flags behind its own, of which the last of a name counts,
  and lacks `--bf16`;
- a script of `examples/` has `SMALLER_EXAMPLES` behind its flags;
- lines that begin with a word of `NOT_RUN` install, log in or launch on machines that a test does not have.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_mplm.cli.main import main


ROOT = Path(__file__).resolve().parents[2]
TRAINING = (
    "--max_steps 2 --per_device_train_batch_size 4 --gradient_accumulation_steps 1 --save_steps 2 --logging_steps 1 "
    "--use_cpu --disable_tqdm true"
)
SMALLER = {
    "prepare": "--chunk_length 64 --holdout 4 --num_proc 1",
    "prepare --romanize": "--holdout 4 --num_proc 1",
    "pretrain": TRAINING,
    "align-scripts": f"{TRAINING} --max_length 64",
    "align-static": f"{TRAINING} --words_per_step 64",
    "quickstart": "--max_steps 2 --languages eng_Latn swh_Latn",
    "static extract": "--min_count 1 --min_words 3 --subsample 1 --num_proc 1",
    "sprachbund cluster": "--num_clusters 2",
    "sprachbund train": TRAINING,
}
SMALLER_EXAMPLES = f"--max_steps 2 --chunk_length 64 --holdout 4 --train_flags {TRAINING}"
NOT_RUN = ("pip", "make", "git", "hf", "sbatch", "export", "ray", "#")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block, in order."""
    for fence in re.finditer(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        yield fence[1], fence[2]


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, line continuations joined and comments left out."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] not in NOT_RUN:
            yield words


def translate(words: list[str]) -> list[str]:
    """What runs in place of a command: the verb and its flags, or `python` and a script."""
    if words[0] in ("torchrun", "accelerate"):
        words = ["hf-mplm", *words[words.index("hf_mplm") + 1 :]]
    if words[:2] == ["python", "-m"] and words[2].startswith("examples."):
        return [*words, *SMALLER_EXAMPLES.split()]
    if words[0] != "hf-mplm":
        raise ValueError(f"the rule does not say what becomes of: {shlex.join(words)}")
    verb = words[1]
    kind = "prepare --romanize" if verb == "prepare" and "--romanize" in words else verb
    smaller = SMALLER.get(" ".join(words[1:3]), SMALLER.get(kind, "")).split()
    return [word for word in words[1:] if word != "--bf16" or not smaller] + smaller


def run_command(words: list[str]) -> None:
    """Run a page's command in the folder that the process is in; one that fails is an error."""
    line = translate(words)
    if line[0] == "python":
        subprocess.run([sys.executable, *line[1:]], check=True)
    elif status := main(line):
        raise AssertionError(f"status {status} of: hf-mplm {shlex.join(line)}")


def open_page(page: Path) -> None:
    """Run the commands of a page's first block in the folder that the process is in."""
    first = next(block for language, block in blocks(page) if language == "bash")
    for words in commands(first):
        run_command(words)


def follow(page: Path, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a page in the folder that the process is in.

    Args:
        page (`Path`): Markdown.
        names (`dict`, *optional*): what its Python starts with.

    Returns:
        `dict`: the names that its Python left.
    """
    space: dict[str, Any] = {"__name__": "__main__", **(names or {})}
    for language, block in blocks(page):
        if language == "python":
            # The page's own lines in a traceback.
            exec(compile(block, f"{page.name}: {block.splitlines()[0]}", "exec"), space)
        elif language in ("bash", "console", "sh"):
            for words in commands(block):
                run_command(words)
    return space
