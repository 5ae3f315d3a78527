"""A model whose vocabulary has been grown by subwords of romanised text."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from hf_mplm.data.corpus.corpora import CorpusRow, iter_corpus
from hf_mplm.data.romanization.romanizer import Romanizer
from hf_mplm.data.tokenizing.tokenizers import extend_tokenizer, load_tokenizer, train_tokenizer
from hf_mplm.jobs.files import write_json
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.modeling.vocabulary import extend_vocabulary


__all__ = ["extend_for_romanized"]

logger = logging.getLogger(__name__)

_DONE = "extension.json"
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
        output (`str` or `Path`): folder for model and tokenizer; where a finished one of the same arguments stands, it
            is taken.
        vocab_size (`int`): size of the vocabulary that is learned from the romanised text.
        max_new_pieces (`int`, *optional*): add the most probable so many only.
        use_language_codes (`bool`, *optional*, defaults to `False`): tell uroman the language.
        initialization (`str`, *optional*, defaults to `"subwords"`): rows of new tokens, see [`extend_vocabulary`].
        num_threads (`int`, *optional*, defaults to 4): threads that learn the vocabulary.
        seed (`int`, *optional*, defaults to 0): seed of the sentences that it is learned from.
        overwrite (`bool`, *optional*, defaults to `False`): make it anew where one of other arguments stands.
        **reading: of [`iter_corpus`]: `languages`, `text_column`, ...

    Returns:
        `Path`: `output`.

    Raises:
        ValueError: where the folder holds something else, or there is nothing to add.
    """
    output = Path(output)
    made_of = {
        "model": str(model),
        "corpus": [str(one) for one in ([corpus] if isinstance(corpus, (str, Path)) else corpus)],
        "vocab_size": vocab_size,
        "max_new_pieces": max_new_pieces,
        "use_language_codes": use_language_codes,
        "initialization": initialization,
        "seed": seed,
        **{name: value for name, value in sorted(reading.items()) if value is not None},
    }
    if _is_done(output, made_of, overwrite):
        return output
    (output / _DONE).unlink(missing_ok=True)  # until it is finished again
    old = load_tokenizer(model)
    with tempfile.TemporaryDirectory() as folder:
        learned = train_tokenizer(
            _romanized(corpus, use_language_codes, reading),
            folder,
            vocab_size=vocab_size,
            seed=seed,
            num_threads=num_threads,
        )
        new = extend_tokenizer(old, learned, output, max_new_pieces=max_new_pieces)
    weights = load_masked_lm(model)
    extension = extend_vocabulary(weights, old, new, initialization=initialization, seed=seed)
    weights.save_pretrained(output)
    write_json(output / _DONE, made_of)
    logger.info("%d subwords of romanised text were added to %s, in %s", extension.num_new, model, output)
    return output


def _is_done(output: Path, made_of: dict[str, Any], overwrite: bool) -> bool:
    import json

    if not (output / _DONE).is_file():
        return False
    found = json.loads((output / _DONE).read_text(encoding="utf-8"))
    if found != json.loads(json.dumps(made_of)):
        if overwrite:
            return False
        different = sorted(name for name in {*found, *made_of} if found.get(name) != made_of.get(name))
        raise ValueError(
            f"{output} holds a model that was extended with other {', '.join(different)}; give another output, or "
            "--overwrite to make it anew"
        )
    return True


def _romanized(corpus: Any, use_language_codes: bool, reading: dict[str, Any]) -> Iterator[CorpusRow]:
    romanizer = Romanizer(use_language_codes, on_error="empty")
    rows = iter_corpus(corpus, **reading)
    while batch := list(islice(rows, _BATCH)):
        texts = romanizer([row["text"] for row in batch], [row["language"] for row in batch])
        for row, text in zip(batch, texts):
            if text and not text.isspace():
                yield {"text": text, "language": row["language"]}
