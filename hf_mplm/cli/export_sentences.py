"""`hf-mplm export sentence-transformers`: a folder that SentenceTransformer loads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


__all__ = ["ExportedModelArguments", "SentenceExportArguments", "run"]


@dataclass(kw_only=True)
class ExportedModelArguments:
    """Flags of every export."""

    model: str = field(metadata={"help": "Hub id or folder of an encoder, with or without its LM head"})
    output: str = field(metadata={"help": "folder to write"})
    layer: int | None = field(
        default=None,
        metadata={"help": "layer to pool, of hidden_states; by default two thirds of the depth"},
    )
    name: str | None = field(default=None, metadata={"help": "what the card calls it; the folder's name by default"})
    license: str | None = field(default=None, metadata={"help": "the Hub's identifier of a licence, for the card"})
    revision: str | None = field(default=None, metadata={"help": "commit, tag or branch of a Hub model"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with the model"})
    overwrite: bool = field(default=False, metadata={"help": "replace an export of something else"})


@dataclass(kw_only=True)
class SentenceExportArguments(ExportedModelArguments):
    """Flags of `hf-mplm export sentence-transformers`."""

    centre: str | None = field(
        default=None,
        metadata={
            "help": "corpus (folder, file or Hub id) whose mean vector is subtracted from every vector; of each "
            "language the first --centre_sentences count"
        },
    )
    centre_sentences: int = field(default=1000, metadata={"help": "most sentences of a language for --centre"})


def run(arguments: SentenceExportArguments) -> int:
    """Write the folder, and say how it is loaded."""
    from hf_mplm.hub.exporting.sentence_export import export_sentence_transformers

    if arguments.centre_sentences < 1:
        raise ValueError(f"--centre_sentences is {arguments.centre_sentences}; needed is 1 or more")
    made = export_sentence_transformers(
        arguments.model,
        arguments.output,
        layer=arguments.layer,
        centre=None if arguments.centre is None else _sentences(arguments.centre, arguments.centre_sentences),
        centred_on=arguments.centre or "",
        name=arguments.name,
        license=arguments.license,
        revision=arguments.revision,
        trust_remote_code=arguments.trust_remote_code,
        overwrite=arguments.overwrite,
    )
    print(f"{'written' if made else 'finished already'}: {arguments.output}")
    print(f"load it: SentenceTransformer({arguments.output!r}), or hf_mplm.load_encoder({arguments.output!r})")
    return 0


def _sentences(corpus: str, most: int) -> Iterator[str]:
    """The first sentences of each language."""
    from hf_mplm.data.corpus.corpora import iter_corpus

    taken: dict[str, int] = {}
    for row in iter_corpus(corpus):
        if taken.get(row["language"], 0) < most:
            taken[row["language"]] = taken.get(row["language"], 0) + 1
            yield row["text"]
