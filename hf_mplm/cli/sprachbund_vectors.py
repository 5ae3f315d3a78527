"""`hf-mplm sprachbund vectors`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mplm.report.table import text_table

from .corpus_lines import report_lines, status_of


if TYPE_CHECKING:
    from hf_mplm.sprachbund import LanguageVectors

_MOST_ROWS = 40
_WHY = {"target_sem": "precise enough", "all_text": "no more text", "max_sentences": "--max_sentences"}
_SOURCES = ("langsamp", "static", "controls")


@dataclass
class VectorsArguments:
    """Flags of `hf-mplm sprachbund vectors`; `compute_language_vectors` explains them at length."""

    output: str = field(metadata={"help": "folder of the vectors; unfinished work is kept in OUTPUT.computing"})
    model: str | None = field(default=None, metadata={"help": "the encoder: a folder, or an id on the Hub"})
    corpus: list[str] | None = field(
        default=None, metadata={"help": "one or several corpora, as `hf-mplm prepare` reads them"}
    )
    layers: list[str] = field(
        default_factory=lambda: ["third", "last"],
        metadata={"help": "layers of the encoder: numbers, 0 for the embeddings, or third (of the depth) or last"},
    )
    pooling: list[str] = field(
        default_factory=lambda: ["mean", "cls"],
        metadata={"help": "mean, over the tokens that are not special; cls, the first token's state; or both"},
    )
    source: list[str] | None = field(
        default=None,
        metadata={
            "aliases": ["--from"],
            "help": "instead of an encoder's layers: langsamp MODEL, static FOLDER, or controls (character 1-3-grams, "
            "and --model with random weights)",
        },
    )
    target_sem: float = field(
        default=0.05, metadata={"help": "standard error, as a share of the distance to the centre, that is enough"}
    )
    max_sentences: int = field(default=4096, metadata={"help": "most sentences of a language"})
    min_characters: int = field(default=20, metadata={"help": "shorter sentences are left out"})
    seed: int = field(default=42, metadata={"help": "chooses the sentences, and draws random weights"})
    num_proc: int = field(default=1, metadata={"help": "processes, each with the model"})
    engine: Literal["local", "ray"] = field(
        default="local", metadata={"help": "where the processes run: this machine, or a Ray cluster"}
    )
    languages: list[str] | None = field(
        default=None, metadata={"help": "codes to read (swh_Latn; srp for all its scripts); all by default"}
    )
    text_column: str = field(default="text", metadata={"help": "column of JSONL, CSV, Parquet and Hub datasets"})
    language_column: str = field(default="language", metadata={"help": "column of the language's code"})
    fold_han: bool = field(default=False, metadata={"help": "write Hans and Hant as Hani, as Glot500 does"})
    split: str = field(default="train", metadata={"help": "split of a Hub dataset"})
    corpus_revision: str | None = field(default=None, metadata={"help": "revision of a Hub dataset"})
    revision: str | None = field(default=None, metadata={"help": "revision of a model on the Hub"})
    tokens_per_batch: int | None = field(
        default=None, metadata={"help": "size of a batch in tokens, padding included"}
    )
    device: str | None = field(default=None, metadata={"help": "such as cuda:1; an accelerator if there is one"})
    overwrite: bool = field(
        default=False, metadata={"help": "replace vectors, or unfinished work, made from something else"}
    )
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with the model"})


def run(arguments: VectorsArguments) -> int:
    """Compute vectors and print how precise they are."""
    kind, *place = arguments.source or ["encoder"]
    if kind in ("langsamp", "static"):
        return _take(kind, place, arguments)
    if kind not in ("encoder", "controls") or place:
        raise ValueError(
            f"--from {' '.join(arguments.source or [])}: needed is langsamp MODEL, static FOLDER or controls"
        )
    if arguments.model is None or not arguments.corpus:
        raise ValueError("give the encoder by --model MODEL and the text by --corpus FOLDER")
    from hf_mplm.sprachbund.vectors.compute import compute_language_vectors

    settings: dict[str, Any] = asdict(arguments)
    for name in ("model", "corpus", "output", "source"):
        settings.pop(name)
    vectors = compute_language_vectors(
        arguments.model, arguments.corpus, arguments.output, controls=kind == "controls", **settings
    )
    print("\n".join([*precision_table(vectors), *report_lines(vectors.config["report"])]))
    if without := vectors.config["without_sentences"]:
        print(f"No sentence is left of: {', '.join(without)}")
    print(f"\nVectors of {len(vectors.languages)} languages ({', '.join(vectors.views)}) are in {arguments.output}")
    return status_of(arguments.languages, vectors.languages, arguments.fold_han, "sprachbund vectors")


def precision_table(vectors: LanguageVectors) -> list[str]:
    """Sentences, relative standard error in each view and why it stopped, the least precise languages first.

    Args:
        vectors (`LanguageVectors`): as computed from a corpus.
    """
    import numpy as np

    errors = np.stack([vectors.standard_errors(view) for view in vectors.views], axis=1)
    counts = vectors.counts(vectors.views[0])
    worst = np.where(np.isnan(errors), np.inf, errors).max(axis=1)
    order = sorted(range(len(worst)), key=lambda row: (-worst[row], vectors.languages[row]))
    rows: list[tuple[str, ...]] = [("language", "sentences", *vectors.views, "stopped by")]
    for row in order[:_MOST_ROWS]:
        code = vectors.languages[row]
        shown = ["unknown" if np.isnan(error) else f"{error:.3f}" for error in errors[row]]
        rows.append((code, f"{counts[row]:,}", *shown, _WHY[vectors.config["stopped"][code]]))
    known = [column[~np.isnan(column)] for column in errors.T]
    medians = [f"{np.median(column):.3f}" if len(column) else "unknown" for column in known]
    rows.append((f"median of {len(order)}", f"{np.median(counts):,.0f}", *medians, ""))
    lines = ["Relative standard errors by view, the least precise first", *text_table(rows)]
    if len(order) > _MOST_ROWS:
        lines.insert(-1, f"... and {len(order) - _MOST_ROWS} more")
    return lines


def _take(kind: str, place: list[str], arguments: VectorsArguments) -> int:
    from hf_mplm.sprachbund.vectors.compute import save_vectors
    from hf_mplm.sprachbund.vectors.other_sources import from_langsamp, from_words

    path = place[0] if place else arguments.model
    if path is None or len(place) > 1:
        raise ValueError(f"--from {kind} needs one {'model' if kind == 'langsamp' else 'folder'}: --from {kind} PATH")
    if kind == "langsamp":
        vectors = from_langsamp(path, arguments.languages, revision=arguments.revision)
    else:
        from hf_mplm.jobs.digests import digest_file
        from hf_mplm.static.embeddings import StaticEmbeddings

        static = StaticEmbeddings.from_pretrained(path)
        tables = [static.table(code) for code in arguments.languages or static.languages]
        digest = digest_file(Path(path) / "vectors.safetensors")
        vectors = from_words({table.language: (table.words, table.vectors) for table in tables}, path, digest)
    save_vectors(vectors, arguments.output, overwrite=arguments.overwrite)
    print(f"Vectors of {len(vectors.languages)} languages ({', '.join(vectors.views)}) are in {arguments.output}")
    return 0
