"""`hf-mplm static export`: word vectors as other tools read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


__all__ = ["ExportArguments", "run"]


@dataclass
class ExportArguments:
    """Flags of `hf-mplm static export`."""

    static: str = field(metadata={"help": "folder with static embeddings"})
    output: str = field(metadata={"help": "folder for CODE.vec or CODE.bin"})
    format: Literal["word2vec", "word2vec-binary"] = field(
        default="word2vec", metadata={"help": "text as fastText's .vec files, or word2vec's binary format"}
    )
    languages: list[str] | None = field(default=None, metadata={"help": "codes to write; all by default"})


def run(arguments: ExportArguments) -> int:
    """Write one file a language, and say where it stands."""
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.static.embeddings import StaticEmbeddings
    from hf_mplm.static.word2vec import write_word2vec

    static = StaticEmbeddings.from_pretrained(arguments.static)
    tables = [static.table(code) for code in arguments.languages or static.languages]
    binary = arguments.format == "word2vec-binary"
    output = Path(arguments.output)
    with hold_folder(output, "hf-mplm static export"):
        for table in tables:
            path = output / f"{table.language}{'.bin' if binary else '.vec'}"
            write_word2vec(table, path, binary=binary)
            print(f"{len(table):,} vectors of {table.language} are in {path}")
    return 0
