"""From a corpus and an encoder to vectors of languages: in parallel, and to be continued after any interruption."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm._lists import as_codes, as_list
from hf_mplm.data.corpus.corpora import find_files
from hf_mplm.data.corpus.options import ReadOptions
from hf_mplm.data.corpus.plan import check_unchanged, group_segments, make_plan
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.resolver import CodeResolver
from hf_mplm.data.tokenizing.tokenizers import tokenizer_fingerprint
from hf_mplm.evaluation.encoder import POOLINGS
from hf_mplm.evaluation.loading import load_tokenizer, model_revision
from hf_mplm.jobs.files import read_json
from hf_mplm.jobs.job import PART_BYTES, Job, finished_results, run_parts
from hf_mplm.jobs.plan import Plan
from hf_mplm.modeling.reading import load_config

from .language_vectors import VECTORS_FILE, LanguageVectors
from .rounds import Tally, encode_part, finished_encoding, make_parts, round_bounds
from .sentences import SelectedSentences, SentencePart, finished_sentences, select_sentences, write_selected
from .sources import CharacterSource, EncoderSource, SentenceSource, check_views, resolve_layers


__all__ = ["compute_language_vectors", "save_vectors"]

logger = logging.getLogger(__name__)


def compute_language_vectors(
    model: str | Path,
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    layers: int | str | Sequence[int | str] = ("third", "last"),
    pooling: str | Sequence[str] = POOLINGS,
    controls: bool = False,
    target_sem: float = 0.05,
    max_sentences: int = 4096,
    min_characters: int = 20,
    seed: int = 42,
    num_proc: int = 1,
    engine: str = "local",
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    corpus_revision: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    tokens_per_batch: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    part_bytes: int = PART_BYTES,
) -> LanguageVectors:
    """Compute the vectors of a corpus's languages, in several views by one pass.

    A language's distinct sentences of at least `min_characters` are taken in the order of a hash of the seed and the
    text, in rounds up to 64, 128, 256, ... sentences, until the standard error of its vector is small enough in every
    view, or the text or `max_sentences` is used up. Neither the order of the corpus nor batches nor the number of
    processes change the vectors beyond rounding, and the same call goes on where it was interrupted.

    Args:
        model (`str` or `Path`): the encoder, a folder or an id on the Hub.
        corpus (`str`, `Path` or several of them): what to read, see [`iter_corpus`].
        output (`str` or `Path`): folder of the vectors. Until it is finished, work is kept in `OUTPUT.computing`.
        layers (`int`, `str` or a sequence, *optional*, defaults to `("third", "last")`): indices into `hidden_states`,
            0 for the embeddings' output; `third` is a third of the depth.
        pooling (`str` or `Sequence[str]`, *optional*, defaults to `("mean", "cls")`): `mean` is over the tokens that
            are not special, `cls` the first token's state.
        controls (`bool`, *optional*, defaults to `False`): compute what needs no trained model instead: character
            n-grams, and the same layers of the same architecture with random weights.
        target_sem (`float`, *optional*, defaults to 0.05): the standard error, as a share of the vector's distance to
            the centre, that is small enough.
        max_sentences (`int`, *optional*, defaults to 4,096): most sentences of a language.
        min_characters (`int`, *optional*, defaults to 20): shorter sentences are left out.
        seed (`int`, *optional*, defaults to 42): of the choice of sentences, and of random weights.
        num_proc (`int`, *optional*, defaults to 1): processes, each with the model.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` works on a Ray cluster.
        languages (`str` or `Sequence[str]`, *optional*): codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): as for [`iter_corpus`].
        language_column (`str`, *optional*, defaults to `"language"`): as for [`iter_corpus`].
        fold_han (`bool`, *optional*, defaults to `False`): as for [`iter_corpus`].
        split (`str`, *optional*, defaults to `"train"`): as for [`iter_corpus`].
        corpus_revision (`str`, *optional*): revision of a corpus on the Hub.
        revision (`str`, *optional*): revision of a model on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with the model may run.
        tokens_per_batch (`int`, *optional*): as for [`TransformerEncoder`].
        device (`str`, *optional*): by default an accelerator if there is one.
        overwrite (`bool`, *optional*, defaults to `False`): replace vectors, or unfinished work, made from something
            else. A folder that holds no vectors is never replaced.
        part_bytes (`int`, *optional*, defaults to 4 MiB): text that is read at a time.

    Returns:
        `LanguageVectors`: the vectors; `config` says how they were made and why each language stopped.

    Raises:
        ValueError: on an empty corpus, an unknown code or layer, states that are not finite, or an output made from
            something else.
        FileNotFoundError: if the corpus does not exist.
        OSError: if the disk is full, or another process computes the same output.
    """
    if max_sentences < 1 or min_characters < 1 or not target_sem > 0:
        raise ValueError(
            f"max_sentences ({max_sentences}) and min_characters ({min_characters}) must be 1 or more, and target_sem "
            f"({target_sem}) positive"
        )
    output, model = Path(output), str(model)
    depth = int(load_config(model, revision=revision, trust_remote_code=trust_remote_code).num_hidden_layers)
    views, empty = check_views(resolve_layers(as_list(layers), depth), as_list(pooling))
    if empty:
        logger.warning("layer 0 with cls is left out: it is one vector for all sentences")
    encoder = EncoderSource(
        model, views, revision, trust_remote_code, seed if controls else None, tokens_per_batch, device
    )
    sources: list[SentenceSource] = [CharacterSource(), encoder] if controls else [encoder]
    options = ReadOptions(as_codes(languages), text_column, language_column, fold_han, split, corpus_revision)
    found = CorpusReport()
    files = find_files(corpus, options, found)
    tokenizer = load_tokenizer(model, trust_remote_code=trust_remote_code, revision=revision)
    settings = {
        "source": "controls" if controls else "encoder",
        "model_revision": model_revision(model, revision=revision, trust_remote_code=trust_remote_code),
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "views": [list(view) for view in views],
        "target_sem": target_sem,
        "max_sentences": max_sentences,
        "min_characters": min_characters,
        "seed": seed,
    }
    job = _job(output)
    with job.hold():
        plan = make_plan(files, options, settings, job.known_plan())
        if job.is_finished(plan, overwrite):
            job.clear()
            return LanguageVectors.load(output)
        job.begin(plan, overwrite, part_bytes)
        work = job.work / "parts"
        parts = [
            SentencePart(i, str(work), group, options, seed, min_characters, max_sentences)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        run_parts(
            select_sentences,
            parts,
            finished_sentences,
            title="Selecting",
            unit="sentences",
            num_proc=num_proc,
            engine=engine,
        )
        check_unchanged(plan, files)
        bounds = round_bounds(max_sentences)
        selected = write_selected(list(finished_results(parts, finished_sentences)), work / "selected.arrow", bounds)
        selected.report.merge(found)
        _check(selected, options, corpus)
        threads = max(1, (os.cpu_count() or 1) // num_proc) if num_proc > 1 else None
        tally = _encode(selected, bounds, work, sources, target_sem, threads, num_proc, engine)
        about = {
            "source": settings["source"],
            "model": model,
            "revision": settings["model_revision"],
            "tokenizer": settings["tokenizer"],
            "depth": depth,
            **({"random_seed": seed} if controls else {}),
        }
        _finish(job, _vectors(tally, selected, about), plan)
    return LanguageVectors.load(output)


def save_vectors(vectors: LanguageVectors, output: str | Path, *, overwrite: bool = False) -> None:
    """Save vectors that another part of the package has learned; the same ones stay as they are.

    Args:
        vectors (`LanguageVectors`): with `source` and `revision` in their `config`.
        output (`str` or `Path`): folder of the vectors.
        overwrite (`bool`, *optional*, defaults to `False`): replace vectors that were made from something else. A
            folder that holds no vectors is never replaced.

    Raises:
        ValueError: if something else stands there.
        OSError: if the disk is full, or another process works on the same output.
    """
    job = _job(Path(output))
    made_from = {"source": vectors.config["source"], "model_revision": vectors.config["revision"]}
    plan = {"identity": {**made_from, "languages": vectors.languages}}
    with job.hold():
        if not job.is_finished(plan, overwrite):
            # Nothing is worth going on with.
            job.begin(plan, overwrite=True)
            _finish(job, vectors, plan)
        job.clear()


def _finish(job: Job, vectors: LanguageVectors, plan: Plan) -> None:
    vectors.save(job.work / "vectors")
    info = read_json(job.work / "vectors" / VECTORS_FILE)
    job.finish(job.work / "vectors", {**info, "identity": plan["identity"]})


def _job(output: Path) -> Job:
    return Job(
        output,
        output.with_name(output.name + ".computing"),
        command="hf-mplm sprachbund vectors",
        product="folder of language vectors",
        mark=VECTORS_FILE,
        foreign="holds no vectors of languages, so it is not replaced",
        inputs="corpus, model and options",
        rule="Vectors are of one corpus, model and set of options; what is of one model can be merged afterwards.",
    )


def _check(selected: SelectedSentences, options: ReadOptions, corpus: Any) -> None:
    if not selected.batches:
        raise ValueError(
            f"{corpus}: no sentence is left to encode. Lines left out: {selected.report.explain_dropped()}; for "
            "shorter sentences give a smaller --min_characters"
        )
    for language in CodeResolver(options).missing(selected.batches):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it to encode", language)


def _encode(
    selected: SelectedSentences,
    bounds: Sequence[int],
    work: Path,
    sources: Sequence[SentenceSource],
    target_sem: float,
    threads: int | None,
    num_proc: int,
    engine: str,
) -> Tally:
    tally = Tally(sorted(selected.batches))
    for number, bound in enumerate(bounds):
        parts = make_parts(number, selected, tally.stopped, work, sources, threads)
        if not parts:
            break
        run_parts(
            encode_part,
            parts,
            finished_encoding,
            title=f"Encoding up to {bound:,}",
            unit="sentences",
            num_proc=num_proc,
            engine=engine,
        )
        for part in parts:
            tally.add(part)
        tally.decide(selected, bound, number + 1 == len(bounds), target_sem)
    return tally


def _vectors(tally: Tally, selected: SelectedSentences, about: dict[str, Any]) -> LanguageVectors:
    report = selected.report
    for code, n in sorted(tally.no_tokens.items()):
        report.drop("no_tokens", code, n)
        report.counts[code] -= n
    counted = np.min([blocks.totals() for blocks in tally.views.values()], axis=0)
    rows = np.flatnonzero(counted).tolist()
    if not rows:
        raise ValueError("the tokenizer makes nothing of any sentence, so that there is nothing to encode")
    codes = [tally.languages[row] for row in rows]
    without = sorted({*report.counts, *report.dropped} - {*codes, "unknown"})
    if without:
        logger.warning("no sentence is left of %s, which have no vector", ", ".join(without))
    config = {
        **about,
        "stopped": {code: tally.stopped[code] for code in codes},
        "without_sentences": without,
        "report": report.to_dict(),
    }
    return LanguageVectors(codes, {view: blocks.rows(rows) for view, blocks in tally.views.items()}, config)
