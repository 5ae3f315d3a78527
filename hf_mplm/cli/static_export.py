"""`hf-mplm static export`: word vectors as other tools read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


__all__ = ["ExportArguments", "run"]


@dataclass
class ExportArguments:
    """Flags of `hf-mplm static export`."""

    static: str = field(metadata={"help": "folder with static embeddings"})
    output: str = field(metadata={"help": "folder for CODE.vec, CODE.bin or a folder CODE for each language"})
    format: Literal["word2vec", "word2vec-binary", "sentence-transformers", "model2vec"] = field(
        default="word2vec",
        metadata={
            "help": "text as fastText's .vec files, word2vec's binary format, or a folder that SentenceTransformer or "
            "model2vec's StaticModel loads"
        },
    )
    int8: bool = field(
        default=False,
        metadata={"help": "of model2vec: a byte a number, a quarter of the memory; what it costs is printed"},
    )
    skip_words_with_blanks: bool = field(
        default=False,
        metadata={"help": "of word2vec: leave out, and count, words with white space, which its readers would cut"},
    )
    languages: list[str] | None = field(default=None, metadata={"help": "codes to write; all by default"})


def run(arguments: ExportArguments) -> int:
    """Write one file or folder a language, and say where it stands."""
    from hf_mplm.jobs.files import explain_full_disk
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.static.embeddings import StaticEmbeddings
    from hf_mplm.static.word2vec import refuse_blanks

    if arguments.int8 and arguments.format != "model2vec":
        raise ValueError(f"--int8 goes with --format model2vec; {arguments.format} holds no bytes")
    plain = arguments.format.startswith("word2vec")
    if arguments.skip_words_with_blanks and not plain:
        raise ValueError(
            f"--skip_words_with_blanks goes with --format word2vec or word2vec-binary; {arguments.format} keeps words "
            "whole"
        )
    static = StaticEmbeddings.from_pretrained(arguments.static)
    tables = list(static.select(arguments.languages or static.languages).tables.values())
    if plain and not arguments.skip_words_with_blanks:
        for table in tables:
            refuse_blanks(table)  # before the first file of any
    output = Path(arguments.output)
    with explain_full_disk(output.parent, "Free some space and repeat the same command."):
        with hold_folder(output, "hf-mplm static export"):
            for table in tables:
                if plain:
                    _word2vec(table, output, binary=arguments.format == "word2vec-binary")
                else:
                    _folder(static, table, output, arguments)
    return 0


def _word2vec(table: Any, output: Path, *, binary: bool) -> None:
    from hf_mplm.static.word2vec import words_with_blanks, write_word2vec

    cut = words_with_blanks(table)
    shown = ", ".join(repr(table.words[row]) for row in cut[:3])
    table = table.without(cut) if cut else table
    path = output / f"{table.language}{'.bin' if binary else '.vec'}"
    write_word2vec(table, path, binary=binary)
    print(f"{len(table):,} vectors of {table.language} are in {path}")
    if cut:
        print(f"  {len(cut):,} words with white space are left out ({shown})")


def _folder(static: Any, table: Any, output: Path, arguments: ExportArguments) -> None:
    from hf_mplm.static.export import export_table
    from hf_mplm.static.word_tokenizer import needs_blanks

    written = export_table(table, output / table.language, arguments.format, int8=arguments.int8)
    print(f"{len(table):,} vectors of {table.language} ({written.bytes / 1e6:,.1f} MB) are in {written.folder}")
    if written.unreachable:
        shown = ", ".join(map(repr, written.unreachable[:3]))
        print(f"  {len(written.unreachable):,} of the words are split or left out in sentences ({shown})")
    if needs_blanks(table.language):
        print(f"  set the words of {table.language} apart by blanks: its tokenizer has no dictionary to split them by")
    if arguments.int8:
        print(f"  {_cost(static, table)}")


def _cost(static: Any, table: Any) -> str:
    from hf_mplm.static.quantizing import quantize, retrieval_cost

    hub = (static.config.get("mapping") or {}).get("hub")
    other = static.tables[hub] if hub in static.tables else table
    if other is table and len(table) < 2:
        return "int8: there is no second word to find"
    again = [numbers * scales[:, None] for numbers, scales in (quantize(table.vectors), quantize(other.vectors))]
    cost = retrieval_cost(table.vectors, other.vectors, *again, same=other is table)
    return (
        f"int8: of {cost.queries:,} words {cost.nearest:.1%} have the same nearest word of {other.language} as "
        f"before, and {cost.of_ten:.1%} of the ten nearest stay"
    )
