"""What `--mteb DIR` does in `hf-mplm evaluate` and `hf-mplm compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from hf_mplm.evaluation.results import ResultRow


__all__ = ["print_export"]


def print_export(rows: Sequence[ResultRow], output: str, run: str) -> None:
    """Export the scores of a run for MTEB, and say what was left out and why.

    Args:
        rows (`Sequence[ResultRow]`): The rows of the run.
        output (`str`): The folder for MTEB's files.
        run (`str`): The run's folder, whose JSON says of which tasks only some sentences were taken.
    """
    from hf_mplm.evaluation.results import read_metadata
    from hf_mplm.hub.mteb_export import export_mteb

    said = read_metadata(run)
    commits = {origin["id"]: origin["commit"] for origin in said.get("hub_data", {}).values()}
    limited = said.get("arguments", {}).get("max_sentences", {})
    export = export_mteb(rows, output, limited=limited, commits=commits)
    for path in export.paths:
        print(f"wrote {path}")
    if not export.paths:
        print(f"nothing of {run} is comparable with MTEB")
    for reason, count in sorted(export.left_out.items()):
        print(f"not exported for MTEB, {count} scores: {reason}")
