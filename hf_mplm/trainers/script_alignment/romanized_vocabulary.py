"""A model whose vocabulary has been grown by subwords of romanised text."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hf_mplm._lists import as_codes
from hf_mplm.data.corpus.corpora import CorpusRow, find_files, iter_corpus
from hf_mplm.data.corpus.plan import check_unchanged, make_plan
from hf_mplm.data.corpus.sources import ReadOptions
from hf_mplm.data.romanization.engine import load_engine
from hf_mplm.data.romanization.romanizer import Romanizer
from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, load_tokenizer, train_tokenizer
from hf_mplm.jobs.job import make_folder
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.modeling.vocabulary import extend_vocabulary
from hf_mplm.trainers.base.sources import model_digest
from hf_mplm.trainers.vocabulary.extension import extension_job


__all__ = ["extend_for_romanized"]

logger = logging.getLogger(__name__)

_BATCH = 1000


def extend_for_romanized(
    model: str | Path,
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    vocab_size: int,
    max_new_pieces: int | None = None,
    use_language_codes: bool = False,
    initialization: str = "subwords",
    num_threads: int = 4,
    seed: int = 0,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    **reading: Any,
) -> Path:
    """Learn subwords from the romanisation of a corpus, and add those that a model's vocabulary lacks.

    Romanised text is cut into many more subwords than the original, since no vocabulary was learned from it: the
    paper's appendix C counts 125 thousand different tokens against 209 thousand, and names this as what to do about
    it. The rest of the model is as it was.

    Args:
        model (`str` or `Path`): a masked-LM checkpoint with a tokenizer in XLM-R's layout.
        corpus (`str`, `Path` or several of them): what to romanise, see [`iter_corpus`].
        output (`str` or `Path`): folder for model and tokenizer; where one made from the same model, text and
            settings stands, it is taken.
        vocab_size (`int`): size of the vocabulary that is learned from the romanised text.
        max_new_pieces (`int`, *optional*): add the most probable so many only.
        use_language_codes (`bool`, *optional*, defaults to `False`): tell uroman the language.
        initialization (`str`, *optional*, defaults to `"subwords"`): rows of new tokens, see [`extend_vocabulary`].
        num_threads (`int`, *optional*, defaults to 4): threads that learn the vocabulary.
        seed (`int`, *optional*, defaults to 0): seed of the sentences that it is learned from.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.
        overwrite (`bool`, *optional*, defaults to `False`): make it anew where one of other arguments stands.
        **reading: of [`iter_corpus`]: `languages`, `text_column`, ...

    Returns:
        `Path`: `output`.

    Raises:
        ValueError: where the folder holds something else, or there is nothing to add.
    """
    output = Path(output)
    columns: dict[str, Any] = {**reading, "languages": as_codes(reading.get("languages"))}
    options = ReadOptions(**columns)
    files = find_files(corpus, options)
    settings = {
        "model": model_digest(model),
        "uroman": load_engine().version,
        "vocab_size": vocab_size,
        "max_new_pieces": max_new_pieces,
        "use_language_codes": use_language_codes,
        "initialization": initialization,
        "seed": seed,
    }
    plan = make_plan(files, options, settings)

    def extend(folder: Path) -> None:
        old = load_tokenizer(model, trust_remote_code=trust_remote_code)
        with tempfile.TemporaryDirectory() as learned_in:
            learned = train_tokenizer(
                _romanized(corpus, use_language_codes, reading),
                learned_in,
                vocab_size=vocab_size,
                seed=seed,
                num_threads=num_threads,
            )
            new = extend_tokenizer(old, learned, folder, max_new_pieces=max_new_pieces)
        weights = load_masked_lm(model, trust_remote_code=trust_remote_code)
        extension = extend_vocabulary(weights, old, new, initialization=initialization, seed=seed)
        weights.save_pretrained(folder)
        check_unchanged(plan, files)
        logger.info("%d subwords of romanised text were added to %s, in %s", extension.num_new, model, output)

    make_folder(extension_job(output, "hf-mplm align-scripts"), plan, extend, overwrite=overwrite)
    return output


def _romanized(corpus: Any, use_language_codes: bool, reading: dict[str, Any]) -> Iterator[CorpusRow]:
    romanizer = Romanizer(use_language_codes, on_error="empty")
    rows = iter_corpus(corpus, **reading)
    while batch := list(islice(rows, _BATCH)):
        texts = romanizer([row["text"] for row in batch], [row["language"] for row in batch])
        for row, text in zip(batch, texts):
            if text and not text.isspace():
                yield {"text": text, "language": row["language"]}
