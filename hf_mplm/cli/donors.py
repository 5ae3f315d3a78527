"""`hf-mplm donors`: rank source languages for a target language."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def make_parser() -> argparse.ArgumentParser:
    """The parser of `hf-mplm donors`."""
    parser = argparse.ArgumentParser(
        prog="hf-mplm donors",
        description="Rank source languages for a target by the language embeddings of a LangSAMP model, by measured "
        "results, or by both: what was measured comes first.",
        allow_abbrev=False,
    )
    parser.add_argument("--target", required=True, help="The language to transfer to, such as tha_Thai.")
    parser.add_argument("--among", required=True, help="Languages to choose from, separated by commas.")
    parser.add_argument("--model", default=None, help="A LangSAMP checkpoint or Hub id.")
    parser.add_argument(
        "--results", nargs="*", default=[], metavar="RUN", help="Folders of `hf-mplm evaluate` with several sources."
    )
    parser.add_argument("--trust_remote_code", action="store_true", help="Run code that comes with the model.")
    return parser


def run(argv: Sequence[str]) -> int:
    """Rank; see [`make_parser`]."""
    args = make_parser().parse_args(list(argv))
    from hf_mplm.evaluation.results import read_results
    from hf_mplm.languages import language_name
    from hf_mplm.report.page import markdown_table
    from hf_mplm.transfer.donors import rank_donors

    rows = [row for path in args.results for row in read_results(path)]
    donors = rank_donors(
        args.target,
        [code.strip() for code in args.among.split(",") if code.strip()],
        model=args.model,
        results=rows,
        trust_remote_code=args.trust_remote_code,
    )
    cells = [
        [donor.language, language_name(donor.language), donor.cosine, donor.score, donor.n_tasks] for donor in donors
    ]
    print(markdown_table(["donor", "name", "cosine", "measured", "tasks"], cells))
    return 0
