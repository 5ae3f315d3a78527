"""Tokenizers: training, loading, saving, and telling one from another."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hf_mplm._compat import strip_local_settings
from hf_mplm.jobs.files import DamagedError, parse_json

from ..corpus.corpora import CorpusRow
from ..corpus.sentence_sampling import sample_sentences
from .extension import extend_tokenizer
from .sentencepiece_model import MODEL_FILE, model_of_tokenizer, train_model, write_tokenizer_files


__all__ = ["extend_tokenizer", "load_tokenizer", "save_tokenizer", "tokenizer_fingerprint", "train_tokenizer"]

logger = logging.getLogger(__name__)

_PROBE = "a \u4e00 \U0001f600 1"
_ADVICE = "Needed are the files of a tokenizer as save_pretrained writes them: copy or make them again."

ROLES = (
    "bos_token_id",
    "eos_token_id",
    "cls_token_id",
    "sep_token_id",
    "unk_token_id",
    "pad_token_id",
    "mask_token_id",
)


def train_tokenizer(
    texts: Iterable[str | CorpusRow],
    output: str | Path,
    *,
    vocab_size: int,
    character_coverage: float = 0.9995,
    input_sentence_size: int = 1_000_000,
    alpha: float = 0.3,
    seed: int = 0,
    num_threads: int = 4,
    max_sentence_length: int = 8192,
    seed_sentencepiece_size: int = 1_000_000,
    model_max_length: int = 512,
) -> PreTrainedTokenizerBase:
    """Train a SentencePiece Unigram tokenizer (Kudo, 2018) and write it as an `XLMRobertaTokenizer`.

    The files (`sentencepiece.bpe.model`, `tokenizer.json`, `tokenizer_config.json`) load with `AutoTokenizer` on both
    stacks, with SentencePiece's own ids + 1 (`<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, `<mask>` last). The same rows,
    arguments and version of SentencePiece give the same bytes.

    Args:
        texts (`Iterable[str | CorpusRow]`): sentences, or corpus rows (`{"text": ..., "language": "swh_Latn"}`), read
            once. Keep test sentences out.
        output (`str` or `Path`): folder for the files.
        vocab_size (`int`): entries, special tokens included: `len(tokenizer)`, the rows of the embedding.
        character_coverage (`float`, *optional*, defaults to 0.9995): share of character occurrences that the
            vocabulary must hold; the others become `<unk>`.
        input_sentence_size (`int`, *optional*, defaults to 1000000): sentences to train on, at most.
        alpha (`float`, *optional*, defaults to 0.3): languages are drawn by p ~ n^alpha (0.3 in LangSAMP)
            where there are more than `input_sentence_size` sentences; a smaller corpus is taken whole.
        seed (`int`, *optional*, defaults to 0): seed of that draw.
        num_threads (`int`, *optional*, defaults to 4): threads of the trainer; another number may change scores in
            the last digit.
        max_sentence_length (`int`, *optional*, defaults to 8192): bytes; longer sentences are left out, and counted in
            the log.
        seed_sentencepiece_size (`int`, *optional*, defaults to 1000000): candidates that the trainer starts from.
        model_max_length (`int`, *optional*, defaults to 512): recorded in the tokenizer, in tokens.

    Returns:
        `PreTrainedTokenizerBase`: the tokenizer, loaded from `output`.

    Raises:
        ValueError: where there is no text, or too little or too much of it in characters for `vocab_size`.
    """
    if isinstance(texts, str):
        raise ValueError(
            "one string was given as texts, whose letters are no sentences; type: train_tokenizer([text], ...)"
        )
    if vocab_size < 6:
        raise ValueError(f"vocab_size={vocab_size}: five entries are special tokens; give at least some hundreds")
    if not 0.98 <= character_coverage <= 1:
        raise ValueError(f"character_coverage={character_coverage}: SentencePiece takes 0.98 to 1; 0.9995 is usual")
    too_long = 0

    def usable() -> Iterable[str | CorpusRow]:
        nonlocal too_long
        for row in texts:
            text = row if isinstance(row, str) else row["text"]
            if len(text.encode()) > max_sentence_length:
                too_long += 1
            elif text.strip():
                yield row

    sentences, counts = sample_sentences(usable(), input_sentence_size, alpha=alpha, seed=seed)
    if too_long:
        logger.warning(
            "%d sentences of more than %d bytes were left out (max_sentence_length)", too_long, max_sentence_length
        )
    if not sentences:
        raise ValueError(
            f"there is no text to train a tokenizer on; needed are sentences of at most {max_sentence_length} bytes"
        )
    logger.info("training on %d sentences in %d language-scripts", len(sentences), len(counts))
    model = train_model(
        sentences,
        vocab_size=vocab_size - 2,
        character_coverage=character_coverage,
        num_threads=num_threads,
        max_sentence_length=max_sentence_length,
        seed_sentencepiece_size=seed_sentencepiece_size,
    )
    write_tokenizer_files(model, output, model_max_length=model_max_length)
    return load_tokenizer(output)


def load_tokenizer(name_or_path: str | Path, *, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder or from the Hub.

    Args:
        name_or_path (`str` or `Path`): a folder that holds a tokenizer (`tokenizer.json`, `tokenizer_config.json`), or
            the id of a repository.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with it may run.

    Returns:
        `PreTrainedTokenizerBase`: a tokenizer of the `tokenizers` library.

    Raises:
        ValueError: where there is no such tokenizer, or none that tells which characters its tokens stand for.
        DamagedError: where the files of the folder are no tokenizer.
    """
    name = str(name_or_path)
    if Path(name).is_dir() and not any(
        (Path(name) / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json", MODEL_FILE, "vocab.txt")
    ):
        raise ValueError(
            f"the folder {name} holds no tokenizer; needed are tokenizer.json and tokenizer_config.json, as made by: "
            f"hf-mplm tokenizer train --corpus CORPUS --output {name} --vocab_size 8000"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
        if tokenizer.is_fast:
            # What is wrong with a vocabulary or a template shows when it is used.
            tokenizer(_PROBE, _PROBE)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # tokenizers raises bare exceptions, and panics that are not even that
        raise _unusable(name, error) from error
    if not tokenizer.is_fast:
        raise ValueError(
            f"{name!r} is a {type(tokenizer).__name__}, which is no tokenizer of the `tokenizers` library; "
            "needed is one with a tokenizer.json"
        )
    if model_error := _model_error(Path(name) / MODEL_FILE):
        raise model_error
    return tokenizer


def _model_error(path: Path) -> DamagedError | None:
    """What is wrong with a SentencePiece model, which transformers may read or leave alone, as its version has it."""
    if not path.is_file():
        return None
    try:
        sentencepiece.SentencePieceProcessor(model_file=str(path))
    except Exception:  # which of several errors depends on its version
        return DamagedError(path, "it is no SentencePiece model", _ADVICE)
    return None


def _unusable(name: str, error: BaseException) -> OSError | ValueError:
    """What to say of a tokenizer that does not load: which of its files is damaged, if that can be told."""
    if "trust_remote_code" in str(error):
        return ValueError(
            f"the tokenizer {name} asks to run code that comes with it, which could do anything that you can: it was "
            "not run. Read that code first; where you trust it, say --trust_remote_code (trust_remote_code=True)"
        )
    for file in sorted(Path(name).glob("*.json")) if Path(name).is_dir() else ():
        try:
            if not isinstance(parse_json(file.read_bytes()), dict):
                return DamagedError(file, "it is no JSON object", _ADVICE)
        except ValueError as wrong:
            return DamagedError(file, str(wrong), _ADVICE)
    if model_error := _model_error(Path(name) / MODEL_FILE):
        return model_error
    what = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (OSError, ValueError)) and not Path(name).is_dir():
        return ValueError(
            f"no tokenizer could be loaded from {name!r}; needed is a folder with tokenizer.json and "
            f"tokenizer_config.json, or the id of a Hub repository such as FacebookAI/xlm-roberta-base: {what[:500]}"
        )
    return DamagedError(name, f"no tokenizer could be loaded from it ({type(error).__name__}: {what[:300]})", _ADVICE)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, output: str | Path) -> None:
    """Save a tokenizer; an XLM-R tokenizer keeps its `sentencepiece.bpe.model`, which transformers 5.x leaves behind.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): what to save.
        output (`str` or `Path`): the folder.
    """
    tokenizer.save_pretrained(str(output))
    strip_local_settings(output)
    path = Path(output) / MODEL_FILE
    if type(tokenizer).__name__.startswith("XLMRobertaTokenizer") and not path.is_file():
        path.write_bytes(model_of_tokenizer(tokenizer).SerializeToString(deterministic=True))


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what decides on ids: vocabulary, scores or merges, normaliser, splitting and special tokens.

    It is the same on both stacks, before and after saving, and wherever the files stand; two tokenizers that differ in
    a single piece or score differ in it. Padding, truncation and lengths do not enter.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): a tokenizer of the `tokenizers` library.

    Returns:
        `str`: 32 hexadecimal digits.

    Raises:
        ValueError: where the tokenizer is a slow one.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} is a slow tokenizer, whose rules cannot be read; "
            f'load it with load_tokenizer("{tokenizer.name_or_path}")'
        )
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = dict(state["model"])
    # tokenizers 0.19 and earlier wrote merges as one string; dropout is the trainer's.
    if "merges" in model:
        model["merges"] = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    vocabulary = model.pop("vocab")
    entries = sorted(vocabulary.items(), key=lambda item: item[1]) if isinstance(vocabulary, dict) else vocabulary
    unigram = isinstance(vocabulary, list)
    content = {
        "vocabulary": entries,
        "added": sorted((token["id"], token["content"]) for token in state["added_tokens"]),
        "model": {key: value for key, value in model.items() if value not in (None, False)},
        "normalizer": _steps(state["normalizer"], "normalizers", unigram),
        "pre_tokenizer": _steps(state["pre_tokenizer"], "pretokenizers", unigram),
        "roles": {role: getattr(tokenizer, role) for role in ROLES},
        # The template is compared by what it does: its notation differs between versions.
        "template": [tokenizer("")["input_ids"], tokenizer("", "")["input_ids"]],
    }
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _steps(component: dict[str, Any] | None, key: str, unigram: bool) -> list[dict[str, Any]]:
    """The steps of a normaliser or pre-tokenizer, without those that only write white space differently.

    transformers 4.57 converts a bare `sentencepiece.bpe.model` with Strip and Replace where 5.x has WhitespaceSplit.
    """
    if component is None:
        return []
    if component["type"] == "Sequence":
        return [step for part in component[key] for step in _steps(part, key, unigram)]
    space_only = component["type"] in ("Strip", "WhitespaceSplit") or (
        component["type"] == "Replace" and component["pattern"] == {"Regex": " {2,}"}
    )
    if unigram and space_only:
        return []
    if component["type"] == "Metaspace":
        return [{key: component[key] for key in ("type", "replacement", "prepend_scheme")}]
    return [component]
