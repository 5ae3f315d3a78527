"""A tokenizer that is trained on a corpus into a folder, which is whole or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm.jobs.job import Job, make_folder

from ..corpus.corpora import CorpusRow, find_files, iter_corpus
from ..corpus.plan import check_unchanged, make_plan
from ..corpus.report import CorpusReport
from ..corpus.sources import ReadOptions
from .tokenizers import load_tokenizer, train_tokenizer


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["train_tokenizer_on_corpus"]


def train_tokenizer_on_corpus(
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    options: ReadOptions,
    *,
    command: str = "hf-mplm tokenizer train",
    overwrite: bool = False,
    report: CorpusReport | None = None,
    watch: Callable[[Iterable[CorpusRow]], Iterable[CorpusRow]] = iter,
    **settings: Any,
) -> PreTrainedTokenizerBase:
    """Train a tokenizer on a corpus, unless the very one stands there already.

    Args:
        corpus (`str`, `Path` or several of them): what to read, see [`iter_corpus`].
        output (`str` or `Path`): folder of the tokenizer; it is made in `OUTPUT.training` and moved when it is whole.
        options (`ReadOptions`): how the corpus is read.
        command (`str`, *optional*): the command that does it, for whoever comes meanwhile.
        overwrite (`bool`, *optional*, defaults to `False`): replace a tokenizer that was trained on something else. A
            folder that is none is never replaced.
        report (`CorpusReport`, *optional*): receives what was read and what was left out.
        watch (`Callable`, *optional*): put around the sentences, such as a progress bar.
        **settings: of [`train_tokenizer`]: `vocab_size`, ...

    Returns:
        `PreTrainedTokenizerBase`: the tokenizer, loaded from `output`.

    Raises:
        ValueError: if there is too little text, or the folder holds something else.
        FileNotFoundError: if the corpus does not exist.
        OSError: if the disk is full, or another process does the same.
    """
    output = Path(output)
    files = find_files(corpus, options)
    plan = make_plan(files, options, settings)
    job = Job(
        output,
        output.with_name(f"{output.name}.training"),
        command=command,
        product="tokenizer",
        mark="tokenizer_training.json",
        foreign="is no tokenizer of `hf-mplm tokenizer train`, so it is not replaced",
        inputs="corpus and settings",
    )

    def train(folder: Path) -> None:
        train_tokenizer(watch(iter_corpus(corpus, **asdict(options), report=report)), folder, **settings)
        check_unchanged(plan, files)

    make_folder(job, plan, train, overwrite=overwrite)
    return load_tokenizer(output)
