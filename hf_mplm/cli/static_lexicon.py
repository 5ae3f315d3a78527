"""`hf-mplm static lexicon`: dictionaries from sentences that translate each other, by counts alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


__all__ = ["LexiconArguments", "run"]


@dataclass
class LexiconArguments:
    """Flags of `hf-mplm static lexicon`."""

    parallel: list[str] = field(
        metadata={
            "help": "two files, each named by its language: CODE.txt (one sentence a line, lines aligned) or CODE.tsv "
            "(id, tab, sentence; or a first line that names the columns, as index_id, category, text)"
        }
    )
    output: str = field(metadata={"help": "folder for CODE-CODE.tsv: source word, target word, score, sentence pairs"})
    languages: list[str] | None = field(
        default=None,
        metadata={"help": "the two codes, where the names (swh_Latn.tsv, tatoeba.ell-eng.ell) do not say them"},
    )
    min_count: int = field(default=3, metadata={"help": "sentence pairs in which both words must stand"})


def run(arguments: LexiconArguments) -> int:
    """Make one dictionary, and say how large it is."""
    from hf_mplm.jobs.files import explain_full_disk
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.static.dictionaries import write_pairs
    from hf_mplm.static.lexicon import extract_lexicon
    from hf_mplm.static.parallel import read_parallel

    pairs, first, second, unpaired = read_parallel(arguments.parallel, arguments.languages)
    lexicon = extract_lexicon(pairs, first, second, min_count=arguments.min_count)
    if not lexicon:
        raise ValueError(
            f"no word of {first} and {second} stands in {arguments.min_count} of the {len(pairs):,} sentence pairs "
            "with a translation of its own; give more text, or a smaller --min_count"
        )
    output = Path(arguments.output)
    path = output / f"{first}-{second}.tsv"
    with (
        explain_full_disk(output.parent, "Free some space and repeat the same command."),
        hold_folder(output, "hf-mplm static lexicon"),
    ):
        write_pairs(path, [(pair.source, pair.target, f"{pair.score:.2f}", pair.together) for pair in lexicon])
    left_out = f"; {unpaired:,} sentences have no partner, are blank or repeat an id" if unpaired else ""
    print(f"{len(lexicon):,} pairs of words from {len(pairs):,} pairs of sentences{left_out} are in {path}")
    return 0
