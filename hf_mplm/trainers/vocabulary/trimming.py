"""A checkpoint cut to the subwords that some text uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from torch import nn
from transformers import PreTrainedTokenizerBase

from hf_mplm.data.corpus.corpora import CorpusRow, find_files, iter_corpus
from hf_mplm.data.corpus.plan import check_unchanged, make_plan
from hf_mplm.data.corpus.report import CorpusReport
from hf_mplm.data.corpus.sources import ReadOptions
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.data.tokenizing.trimming import choose_tokens, write_trimmed_tokenizer
from hf_mplm.jobs.files import read_json, write_json
from hf_mplm.jobs.job import Job, make_folder
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.modeling.vocabulary import trim_vocabulary
from hf_mplm.trainers.base.sources import model_digest

from .saving import save_weights, what_is_saved


__all__ = ["TrimReport", "trim_encoder"]

_BATCH = 1000
_REPORT = "trimming_report.json"


@dataclass(frozen=True)
class TrimReport:
    """What became smaller, and what that costs.

    Attributes:
        tokens_before (`int`): entries of the old tokenizer.
        tokens_after (`int`): entries of the new one.
        parameters_before (`int`): of the model.
        parameters_after (`int`): of the cut one.
        languages (`dict[str, dict[str, int]]`): for each code the `sentences` of the corpus, its tokens `before` and
            `after`, and of these the unknown ones, `unknown_before` and `unknown_after`; special tokens do not count.
    """

    tokens_before: int
    tokens_after: int
    parameters_before: int
    parameters_after: int
    languages: dict[str, dict[str, int]]


def trim_encoder(
    model: str | Path,
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    options: ReadOptions,
    *,
    min_count: int = 1,
    keep_top: int = 0,
    characters: str = "all",
    new_lm_head: bool = False,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    report: CorpusReport | None = None,
    watch: Callable[[Iterable[CorpusRow]], Iterable[CorpusRow]] = iter,
) -> TrimReport:
    """Cut a masked-LM checkpoint and its tokenizer to the subwords that a corpus uses.

    On text of kept subwords, ids map one to one and hidden states are bit-identical; any other text is cut into
    smaller subwords, down to characters. The idea of Abdaoui et al. (2020, *Load What You Need*).

    Args:
        model (`str` or `Path`): the checkpoint, a folder or a Hub id.
        corpus (`str`, `Path` or several of them): the text, see [`iter_corpus`].
        output (`str` or `Path`): folder for model and tokenizer; where one made of the same stands, it is taken.
        options (`ReadOptions`): how the corpus is read.
        min_count (`int`, *optional*, defaults to 1): how often a subword must occur to stay.
        keep_top (`int`, *optional*, defaults to 0): keep so many of the vocabulary's most frequent ones besides.
        characters (`str`, *optional*, defaults to `"all"`): the single characters that stay: `"all"`, or those of the
            `"text"`, by which other scripts become unknown.
        new_lm_head (`bool`, *optional*, defaults to `False`): the model is an encoder that was saved without its LM
            head, and so is the result: training makes the head.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        overwrite (`bool`, *optional*, defaults to `False`): replace a model that was cut to something else.
        report (`CorpusReport`, *optional*): receives what was read and what was left out.
        watch (`Callable`, *optional*): put around the sentences, such as a progress bar.

    Returns:
        [`TrimReport`]: sizes, and the corpus under both tokenizers.

    Raises:
        ValueError: if the corpus is empty, the tokenizer of a kind that cannot be cut, or the folder holds something
            else.
    """
    if min_count < 1 or keep_top < 0:
        raise ValueError(f"min_count={min_count}, keep_top={keep_top}; needed are min_count >= 1 and keep_top >= 0")
    output = Path(output)
    old = load_tokenizer(model, trust_remote_code=trust_remote_code)
    files = find_files(corpus, options)
    settings = {
        "model": model_digest(model),
        "min_count": min_count,
        "keep_top": keep_top,
        "characters": characters,
    }
    plan = make_plan(files, options, settings)
    job = Job(
        output,
        output.with_name(f"{output.name}.trimming"),
        command="hf-mplm tokenizer trim",
        product="trimmed model",
        mark="trimming.json",
        foreign="is no model of `hf-mplm tokenizer trim`, so it is not replaced",
        inputs="model, corpus and settings",
    )

    def trim(folder: Path) -> None:
        weights = load_masked_lm(model, new_head=new_lm_head, trust_remote_code=trust_remote_code)
        rows = watch(iter_corpus(corpus, **asdict(options), report=report))
        before, sentences = _count(old, rows)
        if not before:
            raise ValueError(f"{corpus}: no text was read, so that no subword would stay")
        counts = np.sum(list(before.values()), axis=0)
        trimmed = choose_tokens(old, counts, min_count=min_count, keep_top=keep_top, characters=characters)
        new = write_trimmed_tokenizer(old, trimmed, folder)
        size = _parameters(what_is_saved(weights, new_lm_head=new_lm_head))
        trim_vocabulary(weights, trimmed.kept.tolist(), new, old_size=trimmed.num_old)
        save_weights(weights, folder, new_lm_head=new_lm_head)
        smaller = _parameters(what_is_saved(weights, new_lm_head=new_lm_head))
        if set(np.flatnonzero(counts)) <= set(trimmed.kept.tolist()):
            after = {language: ids[trimmed.kept] for language, ids in before.items()}
        else:  # rarer subwords were cut, so that their words fall apart otherwise
            after, _ = _count(new, iter_corpus(corpus, **asdict(options)))
        check_unchanged(plan, files)
        languages = {
            language: {
                "sentences": sentences[language],
                "before": int(before[language].sum()),
                "after": int(after[language].sum()),
                "unknown_before": _unknown(before[language], old),
                "unknown_after": _unknown(after[language], new),
            }
            for language in sorted(before)
        }
        write_json(folder / _REPORT, asdict(TrimReport(len(old), len(new), size, smaller, languages)))

    make_folder(job, plan, trim, overwrite=overwrite)
    return TrimReport(**read_json(output / _REPORT))


def _count(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[CorpusRow]
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Of each language how often it has each id, shape (ids,), and its sentences."""
    size = max(tokenizer.get_vocab().values()) + 1
    counts: dict[str, np.ndarray] = {}
    sentences: dict[str, int] = {}
    for language, texts in _by_language(rows):
        ids = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        found = np.bincount(np.fromiter((index for row in ids for index in row), dtype=np.int64), minlength=size)
        counts[language] = counts.get(language, 0) + found
        sentences[language] = sentences.get(language, 0) + len(texts)
    return counts, sentences


def _by_language(rows: Iterable[CorpusRow]) -> Iterator[tuple[str, list[str]]]:
    stream = iter(rows)
    while batch := list(islice(stream, _BATCH)):
        texts: dict[str, list[str]] = {}
        for row in batch:
            texts.setdefault(row["language"], []).append(row["text"])
        yield from texts.items()


def _unknown(counts: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> int:
    return 0 if tokenizer.unk_token_id is None else int(counts[tokenizer.unk_token_id])


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
