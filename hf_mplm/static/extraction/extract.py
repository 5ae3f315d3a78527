"""Word vectors of many languages out of an encoder, in parallel, and to be continued after any interruption."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from hf_mplm._lists import as_codes
from hf_mplm.data.corpus.corpora import find_files
from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.plan import check_unchanged, group_segments, make_plan
from hf_mplm.data.corpus.provenance import describe_sources
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
from hf_mplm.evaluation.loading import load_tokenizer, model_revision
from hf_mplm.jobs.job import Job, finished_results, run_parts
from hf_mplm.modeling.reading import load_config

from ..embeddings import StaticEmbeddings
from ..word_table import WordTable
from ..words import segmenter_name
from .assembly import make_vocabularies, put_together
from .context_parts import ContextPart, encode_part, encoded_part
from .disk_space import bytes_needed, refuse_small_disk, tell_what_is_drawn
from .encoder import EncoderSpec, forget_encoder
from .selection import HashedPart, Selection, hash_part, hashed_part, make_selection
from .settings import ExtractionSettings
from .vector_parts import VectorPart, finished_vectors, make_vectors
from .vocabulary import CountedPart, Vocabulary, count_part, counted_part, load_vocabulary


__all__ = ["EXTRACTION_FILE", "PART_BYTES", "extract_static"]

logger = logging.getLogger(__name__)

EXTRACTION_FILE = "extraction.json"
"""What the vectors were made from, what was read, and what was left out and why."""
CARD_FILE = "README.md"
PART_BYTES = 1 << 20
"""Text of a part: some minutes of an encoder on a CPU, seconds on a GPU."""


def extract_static(
    model: str | Path,
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    settings: ExtractionSettings | None = None,
    *,
    num_proc: int = 1,
    engine: str = "local",
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    hub_revision: str | None = None,
    trust_remote_code: bool = False,
    tokens_per_batch: int | None = None,
    overwrite: bool = False,
    part_bytes: int = PART_BYTES,
) -> StaticEmbeddings:
    """Extract static word vectors from an encoder (Hämmerl et al. 2022, section 3 and appendices B and C).

    Words are counted, sentences encoded once up to the layer, and the vectors of each language made from what was kept
    of them. The same text, encoder and settings give the same bytes for any number of processes and after any
    interruption: the same call goes on where the last one stopped. On a CPU each process uses one thread.

    Args:
        model (`str` or `Path`): the encoder, a folder or an id on the Hub.
        corpus (`str`, `Path` or several of them): what to read, see [`iter_corpus`].
        output (`str` or `Path`): folder for the vectors. Until it is finished, work is kept in `OUTPUT.extracting`.
        settings ([`ExtractionSettings`], *optional*): how; those of the paper by default.
        num_proc (`int`, *optional*, defaults to 1): processes, each with an encoder of its own.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` works on a Ray cluster.
        languages (`str` or `Sequence[str]`, *optional*): codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSONL, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): the same for the language's code.
        fold_han (`bool`, *optional*, defaults to `False`): write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): split of a Hub dataset.
        revision (`str`, *optional*): revision of a Hub dataset.
        hub_revision (`str`, *optional*): commit, tag or branch of the encoder on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with the encoder may run.
        tokens_per_batch (`int`, *optional*): tokens that are encoded together; by default what suits the device.
        overwrite (`bool`, *optional*, defaults to `False`): replace vectors, or unfinished work, made from something
            else. A folder that holds none is never replaced.
        part_bytes (`int`, *optional*, defaults to 1 MiB): text that is encoded, and lost when interrupted, at a time.

    Returns:
        [`StaticEmbeddings`]: the vectors, as [`StaticEmbeddings.from_pretrained`] reads them from `output`.

    Raises:
        ValueError: if no word is frequent enough, or the output was made from something else.
        FileNotFoundError: if corpus or encoder do not exist.
        OSError: if the disk has not the room that is needed, or another process writes the same output.

    Example:

    ```python
    from hf_mplm.static.extraction.extract import extract_static
    from hf_mplm.static.extraction.settings import ExtractionSettings

    static = extract_static("FacebookAI/xlm-roberta-base", "corpus", "vectors", ExtractionSettings(min_count=5))
    static.nearest("nyumba", "swh_Latn", in_language="eng_Latn")
    ```
    """
    settings = settings or ExtractionSettings()
    if part_bytes < 1:
        raise ValueError(f"part_bytes is {part_bytes}; needed is 1 or more")
    output = Path(output)
    options = ReadOptions(as_codes(languages), text_column, language_column, fold_han, split, revision)
    loading: dict[str, Any] = {"trust_remote_code": trust_remote_code, "revision": hub_revision}
    config = load_config(model, **loading)
    settings = replace(settings, layer=_bounded_layer(settings.layer, int(config.num_hidden_layers)))
    found = CorpusReport()
    files = find_files(corpus, options, found)
    made_from = {
        "model": model_revision(model, **loading),
        "tokenizer": tokenizer_fingerprint(load_tokenizer(model, **loading)),
        **asdict(settings),
        "tokens_per_batch": tokens_per_batch,
    }
    # A model on the Hub may move on while this works.
    pinned = hub_revision if Path(model).is_dir() else made_from["model"] or hub_revision
    encoder = EncoderSpec(
        str(model),
        pinned,
        trust_remote_code,
        settings.layer,
        settings.max_length,
        settings.dtype,
        tokens_per_batch,
    )
    job = _job(output)
    running: dict[str, Any] = {"num_proc": num_proc, "engine": engine}
    with job.hold(), _fresh_caches():
        plan = make_plan(files, options, made_from, job.known_plan())
        if job.is_finished(plan, overwrite):
            job.clear()
            return StaticEmbeddings.from_pretrained(output)
        job.begin(plan, overwrite, part_bytes)
        folders = {
            name: job.work / "parts" / name for name in ("hashes", "counts", "contexts", "vectors", "vocabularies")
        }
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        groups = group_segments(files, part_bytes)
        selection = Selection()
        if settings.max_sentences is not None:
            limits = (settings.min_words, settings.max_sentences, settings.seed)
            hashed = [HashedPart(i, str(folders["hashes"]), group, options, *limits) for i, group in enumerate(groups)]
            run_parts(hash_part, hashed, hashed_part, title="Choosing sentences", unit="sentences", **running)
            selection = make_selection(hashed, settings.max_sentences, settings.seed)
        counted = [
            CountedPart(i, str(folders["counts"]), group, options, settings.lower_case, settings.min_words, selection)
            for i, group in enumerate(groups)
        ]
        run_parts(count_part, counted, counted_part, title="Counting words", unit="words", **running)
        vocabularies, report = make_vocabularies(counted, settings, folders["vocabularies"], corpus)
        report.merge(found)
        work = _Work(encoder, settings, folders, int(config.hidden_size))
        contexts = [] if settings.method == "alone" else _context_parts(counted, vocabularies, work)
        tell_what_is_drawn(vocabularies, settings)
        refuse_small_disk(bytes_needed(vocabularies, settings, work.dimension), job.work, folders["contexts"])
        if contexts:
            run_parts(encode_part, contexts, encoded_part, title="Encoding", unit="tokens", **running)
        check_unchanged(plan, files)
        results = list(finished_results(contexts, encoded_part))
        vectors = _vector_parts(vocabularies, contexts, results, work)
        run_parts(make_vectors, vectors, finished_vectors, title="Making vectors", unit="words", **running)
        tables, counts = put_together(vectors, vocabularies, results)
        about = {
            "encoder": str(model),
            "revision": made_from["model"],
            "tokenizer": made_from["tokenizer"],
            "layer": settings.layer,
            "extraction": asdict(settings),
            "segmenters": {one.language: segmenter_name(one.language) for one in vocabularies},
            "text": _text(vocabularies, tables),
            "sources": describe_sources(corpus, plan["files"]),
        }
        # By the name of the output, which the card calls them by.
        folder = job.work / "made" / output.name
        shutil.rmtree(folder.parent, ignore_errors=True)
        StaticEmbeddings(tables, about).save_pretrained(folder)
        info = {"identity": plan["identity"], **about, "words": counts, **report.to_dict()}
        job.finish(folder, info, undigested=[CARD_FILE])
    return StaticEmbeddings.from_pretrained(output)


class _Work(NamedTuple):
    """What all parts of one extraction share."""

    encoder: EncoderSpec
    settings: ExtractionSettings
    folders: dict[str, Path]
    dimension: int


@contextmanager
def _fresh_caches() -> Iterator[None]:
    """Forget what this process has loaded: another encoder may stand under the same name by now."""
    forget_encoder()
    load_vocabulary.cache_clear()
    try:
        yield
    finally:
        forget_encoder()
        load_vocabulary.cache_clear()


def _context_parts(
    counted: Sequence[CountedPart], vocabularies: Sequence[Vocabulary], work: _Work
) -> list[ContextPart]:
    parts = []
    for part in counted:
        first = ((one.language, one.first_sentences.get(part.index)) for one in vocabularies)
        wanted = tuple((language, n) for language, n in first if n is not None)
        folders = str(work.folders["contexts"]), str(work.folders["vocabularies"])
        parts.append(
            ContextPart(
                part.index,
                folders[0],
                part.segments,
                part.options,
                work.encoder,
                work.settings,
                folders[1],
                wanted,
                part.selection,
            )
        )
    return parts


def _vector_parts(
    vocabularies: Sequence[Vocabulary], parts: Sequence[ContextPart], encoded: Sequence[dict[str, Any]], work: _Work
) -> list[VectorPart]:
    vectors = []
    for place, one in enumerate(vocabularies):
        sections = tuple(
            (str(part.path), found[one.language]["arrays"])
            for part, found in zip(parts, encoded)
            if one.language in found
        )
        vectors.append(
            VectorPart(
                place,
                str(work.folders["vectors"]),
                one.language,
                4 * work.dimension * len(one.words),
                sections,
                work.encoder,
                work.settings,
                str(work.folders["vocabularies"]),
                work.dimension,
            )
        )
    return vectors


def _text(vocabularies: Sequence[Vocabulary], tables: Sequence[WordTable]) -> dict[str, dict[str, int]]:
    """Of each language what was read, and how many of its words, repeated ones included, have a vector."""
    return {
        one.language: {"sentences": one.sentences, "words": one.all_words, "known_words": int(table.counts.sum())}
        for one, table in zip(vocabularies, tables)
    }


def _job(output: Path) -> Job:
    return Job(
        output,
        output.with_name(output.name + ".extracting"),
        command="hf-mplm static extract",
        product="folder of static embeddings",
        mark=EXTRACTION_FILE,
        foreign="holds no extracted word vectors, so it stays",
        inputs="text, encoder and settings",
    )


def _bounded_layer(layer: int, depth: int) -> int:
    if layer > depth:
        logger.warning("layer %d does not exist: the encoder has %d, of which the last is taken", layer, depth)
    return min(layer, depth)
