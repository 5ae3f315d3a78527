"""A checkpoint whose vocabulary has been grown by another tokenizer's pieces, or by what a corpus teaches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from hf_mplm.data.corpus.corpora import CorpusRow, find_files, iter_corpus
from hf_mplm.data.corpus.plan import check_unchanged, make_plan
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.sources import ReadOptions
from hf_mplm.data.tokenizing.backend import backend_state
from hf_mplm.data.tokenizing.extension import extend_tokenizer
from hf_mplm.data.tokenizing.learning import learn_tokens
from hf_mplm.data.tokenizing.similarity import similar_tokens
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer, tokenizer_fingerprint, train_tokenizer
from hf_mplm.jobs.job import Job, make_folder
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.modeling.vocabulary import VocabularyExtension, extend_vocabulary
from hf_mplm.trainers.base.sources import model_digest

from .saving import save_weights


__all__ = ["extend_encoder", "extension_job"]

# Learned are more pieces than are wanted, because the old vocabulary has some of them already.
_SPARE = 2


def extend_encoder(
    model: str | Path,
    output: str | Path,
    *,
    tokenizer: str | Path | None = None,
    corpus: str | Path | Sequence[str | Path] | None = None,
    options: ReadOptions | None = None,
    max_new_pieces: int | None = None,
    initialization: str = "mean",
    seed: int = 0,
    num_threads: int = 4,
    new_lm_head: bool = False,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    report: CorpusReport | None = None,
) -> VocabularyExtension | None:
    """Grow the vocabulary of a masked-LM checkpoint and its embeddings with it.

    Unigram (XLM-R): pieces of `tokenizer`, or of a tokenizer that is trained on `corpus`. BPE (ModernBERT, mmBERT) and
    WordPiece (mBERT): tokens that are learned from `corpus` on top of the old ones, see
    [`~hf_mplm.data.tokenizing.learning.learn_tokens`].

    Args:
        model (`str` or `Path`): the checkpoint, a folder or a Hub id.
        output (`str` or `Path`): folder for model and tokenizer; where one made of the same stands, it is taken.
        tokenizer (`str` or `Path`, *optional*): the tokenizer whose pieces are added.
        corpus (`str`, `Path` or several of them, *optional*): text to learn from, and for
            `initialization="similar"` to compare in.
        options (`ReadOptions`, *optional*): how the corpus is read.
        max_new_pieces (`int`, *optional*): so many at most; needed where they are learned from a corpus.
        initialization (`str`, *optional*, defaults to `"mean"`): of new rows, see [`extend_vocabulary`].
        seed (`int`, *optional*, defaults to 0): of `"normal"`, and of the sentences that are learned from.
        num_threads (`int`, *optional*, defaults to 4): threads that learn a Unigram model.
        new_lm_head (`bool`, *optional*, defaults to `False`): the model is an encoder that was saved without its LM
            head, and so is the result: training makes the head.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        overwrite (`bool`, *optional*, defaults to `False`): replace a model that was extended with something else.
        report (`CorpusReport`, *optional*): receives what was read and what was left out.

    Returns:
        [`VocabularyExtension`]: what was added and moved; `None` where it had been done before.

    Raises:
        ValueError: if neither text nor tokenizer says what to add, or there is nothing to add.
    """
    output = Path(output)
    if output.exists() and output.resolve() == Path(model).resolve():
        raise ValueError("--output is the folder of --model; give another one, so that the old checkpoint stays whole")
    if corpus is None and (tokenizer is None or initialization == "similar"):
        raise ValueError(
            f"no corpus was given; needed is text to {'compare tokens in' if tokenizer else 'learn new tokens from'}: "
            "--corpus DIR" + ("" if tokenizer else ", or a tokenizer of XLM-R's layout: --tokenizer DIR")
        )
    if tokenizer is None and max_new_pieces is None:
        raise ValueError("how many tokens are to be learned from --corpus? Say, for example, --max_new_pieces 8000")
    old = load_tokenizer(model, trust_remote_code=trust_remote_code)
    kind = backend_state(old)["model"]["type"]
    if tokenizer is not None and kind != "Unigram":
        raise ValueError(
            f"{model} has a {kind} tokenizer, to which the pieces of another one cannot be added; have new ones "
            "learned from text: --corpus DIR --max_new_pieces 8000, without --tokenizer"
        )
    added = None if tokenizer is None else load_tokenizer(tokenizer, trust_remote_code=trust_remote_code)
    reading = options or ReadOptions()
    files = [] if corpus is None else find_files(corpus, reading)
    settings: dict[str, Any] = {
        "model": model_digest(model),
        "initialization": initialization,
        "max_new_pieces": max_new_pieces,
        "seed": seed,
    }
    if added is not None:
        settings["tokenizer"] = tokenizer_fingerprint(added)
    plan = {"identity": settings} if corpus is None else make_plan(files, reading, settings)
    extension = None

    def rows(counted: CorpusReport | None = None) -> Iterator[CorpusRow]:
        assert corpus is not None
        return iter_corpus(corpus, **asdict(reading), report=counted)

    def extend(folder: Path) -> None:
        nonlocal extension
        weights = load_masked_lm(model, new_head=new_lm_head, trust_remote_code=trust_remote_code)
        if added is not None:
            new = extend_tokenizer(old, added, folder, max_new_pieces=max_new_pieces)
        else:
            assert max_new_pieces is not None
            new = _learn(kind, old, rows(report), folder, max_new_pieces, seed, num_threads)
        similar = similar_tokens(new, _texts(rows()), old, seed=seed) if initialization == "similar" else None
        extension = extend_vocabulary(weights, old, new, initialization=initialization, seed=seed, similar=similar)
        save_weights(weights, folder, new_lm_head=new_lm_head)
        if files:
            check_unchanged(plan, files)

    make_folder(extension_job(output, "hf-mplm tokenizer extend"), plan, extend, overwrite=overwrite)
    return extension


def extension_job(output: Path, command: str, anew: str = "repeat this command with --overwrite") -> Job:
    """The job of extending a model.

    Args:
        output (`Path`): folder of the extended model.
        command (`str`): the command that does it.
        anew (`str`, *optional*): what to do to have it extended again, as a clause.
    """
    return Job(
        output,
        output.with_name(f"{output.name}.extending"),
        command=command,
        product="extended model",
        mark="extension.json",
        foreign="is no extended model, so it is not replaced",
        inputs="model, text and settings",
        anew=anew,
    )


def _learn(
    kind: str,
    old: PreTrainedTokenizerBase,
    rows: Iterator[CorpusRow],
    folder: Path,
    num_new: int,
    seed: int,
    num_threads: int,
) -> PreTrainedTokenizerBase:
    if kind != "Unigram":
        return learn_tokens(old, _texts(rows), folder, num_new=num_new)
    with tempfile.TemporaryDirectory() as learned_in:
        try:
            learned = train_tokenizer(
                rows, learned_in, vocab_size=_SPARE * num_new, seed=seed, num_threads=num_threads
            )
        except ValueError as error:
            raise ValueError(
                f"{num_new} new pieces are learned as the first of {_SPARE * num_new}, and that did not go; give "
                f"another --max_new_pieces, or more text: {error}"
            ) from error
        return extend_tokenizer(old, learned, folder, max_new_pieces=num_new)


def _texts(rows: Iterator[CorpusRow]) -> Iterator[str]:
    return (row["text"] for row in rows)
