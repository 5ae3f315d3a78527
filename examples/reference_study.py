"""What five methods do on one encoder: each paper's claim, what was measured, and whether it holds.

    python -m examples.reference_study --model MODEL --data DATA --output study
    python -m examples.reference_study --model MODEL --data DATA --output study --size small

MODEL is a masked-LM checkpoint. DATA has folders in the benchmarks' own formats: `sib200`, `tatoeba`, `ud`, and `udhr`
(a file a language). Every step is a command of `hf-mplm`, which is printed and goes on where it was stopped, and so
does this one. `OUTPUT/findings.md` is written anew whenever there is more to tell: a line for each measure of each
claim, with its 95 % intervals over languages and over seeds, and a verdict by one rule, which stands above the table.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from examples.reference import langsamp, script_alignment, sprachbund, static, transfer
from examples.reference.findings import write_table
from examples.reference.study import Study


METHODS: dict[str, ModuleType] = {
    "langsamp": langsamp,
    "script-alignment": script_alignment,
    "static": static,
    "sprachbund": sprachbund,
    "transfer": transfer,
}


def main() -> None:
    """Do what is not done yet, and tell what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="masked-LM checkpoint that everything starts from")
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder a benchmark")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="of the trainings")
    parser.add_argument("--tell", action="store_true", help="run nothing; write the table of what there is")
    parser.add_argument(
        "--results",
        nargs="+",
        default=[],
        metavar="METHOD=FOLDER",
        help="runs that stand elsewhere already, which are read and not made",
    )
    args = parser.parse_args()
    elsewhere = dict(given.split("=", 1) for given in args.results)
    if unknown := sorted(set(elsewhere) - set(METHODS)):
        parser.error(f"--results knows {', '.join(METHODS)}, and was given {', '.join(unknown)}")
    folders = {method: Path(folder) for method, folder in elsewhere.items()}
    study = Study(args.model, args.data, args.output, args.size, args.seeds, folders)
    for method in args.methods:
        if args.tell or method in elsewhere:
            continue
        for _ in METHODS[method].work(study):
            tell(study)
    print(tell(study))


def tell(study: Study) -> str:
    """Write the table of all that is there."""
    findings = [finding for method in METHODS.values() for finding in method.findings(study)]
    return write_table(findings, study.output / "findings.md") if findings else "nothing is finished yet"


if __name__ == "__main__":
    main()
