"""`hf-mplm static map`: bring the word vectors of languages into the space of one, the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


__all__ = ["MapArguments", "run"]


@dataclass
class MapArguments:
    """Flags of `hf-mplm static map`."""

    output: str = field(metadata={"help": "folder for the mapped vectors"})
    static: str | None = field(default=None, metadata={"help": "folder with static embeddings"})
    word2vec: list[str] | None = field(
        default=None,
        metadata={"help": "instead of --static: CODE=FILE for each language, in word2vec's formats (.vec.gz, .bin)"},
    )
    hub_language: str = field(default="eng_Latn", metadata={"help": "the language into whose space all others go"})
    languages: list[str] | None = field(
        default=None, metadata={"help": "codes to map; all beside the hub by default. Others are left out"}
    )
    dictionary: list[str] | None = field(
        default=None,
        metadata={
            "help": "dictionaries named by their languages, in either direction (en-de.txt, deu_Latn-eng_Latn.tsv)"
        },
    )
    mode: Literal["supervised", "semi-supervised", "identical", "numerals", "unsupervised"] = field(
        default="supervised",
        metadata={"help": "where the pairs come from; all but supervised learn further by themselves"},
    )
    method: Literal["orthogonal", "multi-step"] = field(
        default="orthogonal", metadata={"help": "multi-step moves the hub too, and takes one language"}
    )
    ridge: float = field(default=0.0, metadata={"help": "of multi-step: share of the mean eigenvalue added to each"})
    dimensions: int | None = field(default=None, metadata={"help": "of multi-step: dimensions to keep"})
    held_out: float = field(default=0.1, metadata={"help": "share of the pairs that judges whether a language gains"})
    limit: int = field(default=200_000, metadata={"help": "words to read from each word2vec file"})
    vocabulary_cutoff: int = field(default=20_000, metadata={"help": "frequent words that self-learning looks at"})
    csls_neighbours: int = field(default=10, metadata={"help": "neighbours of CSLS"})
    seed: int = field(default=42, metadata={"help": "seed of self-learning"})
    write_dictionary: str | None = field(
        default=None,
        metadata={
            "help": "file for the words that are each other's best by CSLS among the frequent ones once mapped: what "
            "--dictionary takes; the languages come before its suffix where its name does not say them"
        },
    )
    device: str | None = field(default=None, metadata={"help": "cuda or cpu; the first where there is one"})


def run(arguments: MapArguments) -> int:
    """Map, write, and say what became of each language."""
    from hf_mplm.jobs.files import explain_full_disk
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.static import hub_mapping
    from hf_mplm.static.dictionaries import read_dictionaries
    from hf_mplm.static.self_learning import SelfLearning

    learning = SelfLearning(
        vocabulary_cutoff=arguments.vocabulary_cutoff, csls_neighbours=arguments.csls_neighbours, seed=arguments.seed
    )
    settings = hub_mapping.MappingSettings(
        mode=arguments.mode,
        method=arguments.method,
        ridge=arguments.ridge,
        dimensions=arguments.dimensions,
        held_out=arguments.held_out,
        self_learning=learning,
    )
    static = _read_static(arguments)
    hub = hub_mapping.hub_table(static, arguments.hub_language).language
    if arguments.languages is not None:
        static = static.select([hub, *arguments.languages])
    dictionaries = read_dictionaries(arguments.dictionary or [], static.languages, hub)
    output = Path(arguments.output)
    with explain_full_disk(output.parent, "Free some space and repeat the same command."):
        with hold_folder(output, "hf-mplm static map"):
            # The vectors were read for this alone, and need not stand in memory twice.
            mapped, results = hub_mapping.map_to_hub(
                static, hub, dictionaries, settings, device=arguments.device, overwrite=True
            )
            hub_mapping.save_mapped(mapped, output)
        written = _write_dictionaries(arguments, mapped, [result.language for result in results if result.mapped])
    for result in results:
        print(hub_mapping.describe(result, hub))
    for path, number in written:
        print(f"{number:,} pairs of words that are each other's best are in {path}")
    unmapped = [result.language for result in results if not result.mapped]
    if arguments.write_dictionary is not None and unmapped:
        print(f"not mapped, and therefore without a dictionary: {', '.join(unmapped)}")
    words = sum(len(table) for table in mapped.tables.values())
    gained = sum(result.mapped for result in results)
    print(
        f"{words:,} vectors of {len(mapped.languages)} languages, {gained} of {len(results)} mapped onto {hub}, are "
        f"in {output}; how each was mapped is in {hub_mapping.MAPPING_FILE} there"
    )
    return 0


def _write_dictionaries(arguments: MapArguments, mapped: Any, languages: Sequence[str]) -> list[tuple[Path, int]]:
    from hf_mplm.static.dictionaries import dictionary_path, write_pairs
    from hf_mplm.static.judging import induce_dictionary

    if arguments.write_dictionary is None:
        return []
    hub, written = mapped.table(arguments.hub_language), []
    for language in languages:
        path = dictionary_path(arguments.write_dictionary, language, hub.language)
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = induce_dictionary(
            mapped.table(language),
            hub,
            neighbours=arguments.csls_neighbours,
            cutoff=arguments.vocabulary_cutoff,
            device=arguments.device,
        )
        write_pairs(path, [(word, other, f"{score:.4f}") for word, other, score in pairs])
        written.append((path, len(pairs)))
    return written


def _read_static(arguments: MapArguments) -> Any:
    from hf_mplm.static.embeddings import StaticEmbeddings

    if (arguments.static is None) == (arguments.word2vec is None):
        raise ValueError("give the vectors either by --static FOLDER or by --word2vec CODE=FILE CODE=FILE ...")
    if arguments.static is not None:
        return StaticEmbeddings.from_pretrained(arguments.static)
    tables: list[Any] = []
    for entry in arguments.word2vec or []:
        code, equals, path = entry.partition("=")
        if not equals:
            raise ValueError(f"--word2vec {entry}: name the file's language, as in --word2vec deu_Latn={entry}")
        tables += StaticEmbeddings.from_word2vec(path, code, limit=arguments.limit).tables.values()
    return StaticEmbeddings(tables)
