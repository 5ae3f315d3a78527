"""`hf-mplm check`: hold stores, checkpoints and results against the digests that were written with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .parser import MplmArgumentParser


@dataclass
class CheckArguments:
    """Flags of `hf-mplm check`."""

    folders: list[str] = field(
        metadata={
            "help": "Folders with a digests.json or a results.parquet, at their top or below.",
            "metavar": "FOLDER",
        }
    )
    verbose: bool = field(default=False, metadata={"help": "Name every damaged file, and not the first alone."})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm check`."""
    return MplmArgumentParser(
        CheckArguments,
        positional="folders",
        prog="hf-mplm check",
        description="Read every file of stores, romanised corpora, tokenizers, checkpoints and results, and hold it "
        "against its digest. The exit status is 0 if all are whole, and 1 if any is damaged or has no digests.",
    )


def run(argv: Sequence[str]) -> int:
    """Check folders and print a line for each.

    Args:
        argv (`Sequence[str]`): the command line without program and verb.

    Returns:
        `int`: 0 if all are whole, 1 if not.
    """
    (arguments,) = make_parser().parse(argv)
    missing = [folder for folder in arguments.folders if not Path(folder).is_dir()]
    if missing:
        raise FileNotFoundError(f"there is no folder {', '.join(missing)}")
    faults = 0
    for given in map(Path, arguments.folders):
        found = list(_digested(given))
        tables = sorted(given.rglob("results.parquet"))
        faults += sum(not _reads(table) for table in tables)
        if not found and not tables:
            print(f"{given}: nothing to check: it has no digests.json and no results.parquet, nor has a folder in it")
            faults += 1
        for folder in found:
            faults += not _is_whole(folder, arguments.verbose)
    return 1 if faults else 0


def _digested(folder: Path) -> Iterator[Path]:
    """The folders that have digests, from the top down."""
    from hf_mplm.jobs.digests import DIGESTS_FILE

    yield from sorted(path.parent for path in folder.rglob(DIGESTS_FILE))


def _reads(table: Path) -> bool:
    """Whether a table of results, which carries a digest of its content in itself, is as it was written."""
    from hf_mplm.evaluation.results import read_results

    try:
        rows = read_results(table)
    except (OSError, ValueError) as error:
        print(error)
        return False
    print(f"{table}: whole, {len(rows):,} results")
    return True


def _is_whole(folder: Path, verbose: bool) -> bool:
    from hf_mplm.jobs.digests import find_damage, listed_files
    from hf_mplm.jobs.files import DamagedError

    try:
        damage = find_damage(folder)
    except DamagedError as error:
        print(f"{folder}: damaged: {error.path.name}: {error.what}")
        return False
    if not damage:
        names = listed_files(folder)
        size = sum((folder / name).stat().st_size for name in names)
        print(f"{folder}: whole, {len(names)} files of {size:,} bytes")
        return True
    shown = damage if verbose else damage[:1]
    more = f" (and {len(damage) - 1} other files; --verbose names them)" if len(damage) > len(shown) else ""
    print(f"{folder}: damaged: {'; '.join(f'{name}: {what}' for name, what in shown)}{more}")
    return False
