"""A client of its own that evaluates: a step a line as JSON in, what came of it as JSON out."""

from __future__ import annotations

import json
import sys
import zlib
from typing import Any

import numpy as np


class Letters:
    """An encoder by the letters of a text, which takes no time to load."""

    name, revision, layer = "letters", "v1", -1

    def encode(self, texts: list[str], *, progress: bool = False) -> np.ndarray:
        vectors = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            for start in range(len(text)):
                vectors[row, zlib.crc32(text[start : start + 3].encode()) % 64] += 1
        return vectors + 1e-3


class Mine:
    """A task of the user's own, which is on no Hub."""

    name = "mine"


def fetch(
    tasks: str, languages: list[str] | None, sources: list[str], train: bool = False, own: bool = False
) -> dict[str, Any]:
    from hf_mplm.evaluation.fetching import fetch_benchmarks, read_origins
    from hf_mplm.evaluation.files.hub_data import Wanted
    from hf_mplm.evaluation.tasks import find_tasks

    asked = None if languages is None else tuple(languages)
    found: list[Any] = [*find_tasks(tasks), *([Mine()] if own else [])]
    folder = fetch_benchmarks(found, Wanted(asked, tuple(sources), train))
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()]
    origins = {name: origin._asdict() for name, origin in read_origins(folder).items()}
    return {"folder": str(folder), "files": sorted(files), "origins": origins}


def evaluate(model: str | None, tasks: str, data_dir: str | None, languages: Any, output: str, **kw: Any) -> Any:
    from hf_mplm.evaluation import evaluate as measure

    computed: list[str] = []
    rows = measure(
        model or Letters(),  # type: ignore[arg-type]
        tasks,
        data_dir,
        languages,
        output,
        on_rows=lambda new: computed.extend(row.language for row in new),
        **kw,
    )
    return {"computed": computed, "missing": rows.missing, "skipped": rows.skipped, **written(output)}


def written(output: str) -> dict[str, Any]:
    from hf_mplm.evaluation import read_metadata, read_results

    rows, said = read_results(output), read_metadata(output)
    return {
        "rows": sorted([row.task, row.language, row.setting, row.metric, row.value, row.n, row.layer] for row in rows),
        "revision": rows[0].revision,
        "hub_data": said["hub_data"],
        "files": said["records"]["files"],
        "data_dir": said["arguments"]["data_dir"],
        "encoding": said["arguments"]["encoding"],
    }


def command(words: list[str]) -> dict[str, Any]:
    """`hf-mplm` with these words, the last of which is the folder of its output."""
    import contextlib

    from hf_mplm.cli.main import main as run

    with contextlib.redirect_stdout(sys.stderr):
        status = run(words)
    return {"status": status, **written(words[-1])}


def main() -> None:
    """Each step is a name and its keyword arguments; an error is what came of it."""
    for line in sys.stdin:
        step, keywords = json.loads(line)
        try:
            told = {"fetch": fetch, "evaluate": evaluate, "command": command}[step](**keywords)
        except Exception as error:  # noqa: BLE001 - the test says which it expects
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
