"""What an encoder and a corpus are to each other, before anything is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hf_mplm.data.corpus.corpora import iter_corpus
from hf_mplm.data.tokenizing.encoding import EncoderSpec, save_encoder
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.evaluation.overlap.audit import audit
from hf_mplm.languages import detect_script, language_name
from hf_mplm.languages.linguistic_similarities import genealogical_similarity
from hf_mplm.sample import iter_sample, sample_languages
from hf_mplm.sprachbund.vectors.compute import compute_language_vectors

from .encoder_facts import EncoderFacts, fertility
from .letter_models import Lookalike, nearest_by_letters
from .reading import read_keywords, read_options
from .recommendation import advise, hope
from .settings import AdaptSettings
from .text_facts import TextFacts, read_facts


__all__ = ["diagnose", "is_mostly", "reference_texts", "write_reference"]

_NEAREST = 5
_OF_VECTORS = 64
_SCRIPT_LOOKED_AT = 200
# Sentences of a known language that tell how finely it is cut: some 5,000 words.
_CUT = 200
# Beyond these, text is said to be of another language than its name.
_OTHER_SCRIPT = 0.5
_SURPRISE = 1.015
_COVERED = 0.5


def reference_texts(encoder: EncoderFacts, without: Sequence[str]) -> dict[str, list[str]]:
    """Sentences of languages that the encoder knows well, out of the sample that comes with the package.

    Args:
        encoder ([`EncoderFacts`]): the encoder.
        without (`Sequence[str]`): codes of new languages.

    Returns:
        `dict[str, list[str]]`: by code.
    """
    new = {code.partition("_")[0] for code in without}
    known = [code for code in sample_languages() if encoder.knows(code) and code.partition("_")[0] not in new]
    return {code: [row.text for row in iter_sample([code], "train")] for code in known}


def write_reference(texts: Mapping[str, Sequence[str]], folder: Path) -> Path:
    """Write sentences as a corpus folder.

    Args:
        texts (`Mapping[str, Sequence[str]]`): sentences by code.
        folder (`Path`): which is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for code, sentences in texts.items():
        lines = "".join(f"{' '.join(text.split())}\n" for text in sentences)
        (folder / f"{code}.txt").write_text(lines, encoding="utf-8", newline="\n")
    return folder


def is_mostly(alike: Lookalike) -> bool:
    """Whether half of a text or more may be in the language that it looks like.

    Args:
        alike ([`~hf_mplm.adapt.letter_models.Lookalike`]): of the text.
    """
    return alike.surprise < _SURPRISE


def diagnose(settings: AdaptSettings, encoder: EncoderFacts, output: Path) -> dict[str, Any]:
    """Look at the text of the new languages with the encoder's eyes.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        encoder ([`EncoderFacts`]): the encoder.
        output (`Path`): folder for what is kept beside: `vectors`, and `overlap` with test sets.

    Returns:
        `dict`: `encoder`, `languages`, `known`, `overlap`, `warnings` and `advice`; numbers are of sentences, words
        and characters, shares from 0 to 1.

    Raises:
        ValueError: if the corpus is empty, or new languages stand among those that are replayed.
    """
    rows = iter_corpus(list(settings.corpus), **asdict(read_options(settings, settings.languages)))
    facts = read_facts(rows, settings.seed)
    if not facts:
        raise ValueError(f"{', '.join(settings.corpus)}: no text was read")
    reference = reference_texts(encoder, list(facts))
    tokenizer = load_tokenizer(settings.model, trust_remote_code=settings.trust_remote_code)
    with tempfile.TemporaryDirectory() as scratch:
        spec = save_encoder(tokenizer, Path(scratch))
        known = {code: _cut(spec, texts[:_CUT]) for code, texts in reference.items()}
        found = {code: _language(code, text, spec, reference) for code, text in facts.items()}
    _add_relatives(found, list(reference))
    vectors = write_reference({**reference, **_samples(facts)}, output / "vectors-text")
    _add_neighbours(found, list(reference), settings, vectors, output / "vectors")
    overlap = _overlap(settings, output)
    advice = advise(
        found,
        known,
        batch_size=settings.batch_size,
        chunk_length=settings.chunk_length,
        can_extend=encoder.tokenizer_kind != "other",
    )
    return {
        "encoder": {**encoder._asdict(), "languages": len(encoder.languages)},
        "languages": found,
        "known": known,
        "overlap": overlap,
        "warnings": _warnings(found, encoder, overlap),
        "advice": advice,
    }


def _cut(spec: EncoderSpec, texts: Sequence[str]) -> dict[str, float]:
    found = fertility(spec, texts)
    return {
        "tokens_per_word": round(found.per_word, 4),
        "tokens_per_character": round(found.per_character, 4),
        "unknown": round(found.unknown, 6),
    }


def _language(code: str, text: TextFacts, spec: EncoderSpec, reference: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    cut = _cut(spec, text.sample)
    script = code.partition("_")[2]
    scripts = [detected for one in text.sample[:_SCRIPT_LOOKED_AT] if (detected := _script(one))]
    alike = nearest_by_letters(
        text.sample[:_SCRIPT_LOOKED_AT],
        {other: texts for other, texts in reference.items() if other.partition("_")[2] == script},
    )
    return {
        "name": language_name(code),
        "sentences": text.sentences,
        "words": text.words,
        "characters": text.characters,
        "distinct_words": len({word for one in text.sample for word in one.casefold().split()}),
        "repeated": round(text.repeated / text.sentences, 6),
        **cut,
        "tokens": round(cut["tokens_per_character"] * text.characters),
        "script_covered": cut["unknown"] < _COVERED,
        "other_script": round(sum(one != script for one in scripts) / max(1, len(scripts)), 4),
        "script_seen": max(sorted(set(scripts)), key=scripts.count, default=""),
        "looks_like": alike and [alike.language, round(alike.share, 4), round(alike.surprise, 4)],
        "hope": hope(text.sentences),
    }


def _script(text: str) -> str:
    try:
        return detect_script(text)
    except ValueError:  # digits and signs alone
        return ""


def _samples(facts: Mapping[str, TextFacts]) -> dict[str, list[str]]:
    return {code: text.sample for code, text in facts.items()}


def _add_relatives(found: dict[str, dict[str, Any]], known: list[str]) -> None:
    codes = [*found, *known]
    similarity = genealogical_similarity(codes)
    for row, code in enumerate(found):
        values = similarity[row, len(found) :]
        order = sorted(range(len(known)), key=lambda place: (-np.nan_to_num(values[place]), known[place]))
        related = [(known[place], round(float(values[place]), 3)) for place in order if values[place] > 0]
        found[code]["by_lineage"] = related[:_NEAREST]


def _add_neighbours(
    found: dict[str, dict[str, Any]], known: list[str], settings: AdaptSettings, text: Path, output: Path
) -> None:
    vectors = compute_language_vectors(
        settings.model,
        text,
        output,
        layers=("third",),
        pooling="mean",
        max_sentences=_OF_VECTORS,
        seed=settings.seed,
        trust_remote_code=settings.trust_remote_code,
        device="cpu" if settings.use_cpu else None,
        overwrite=True,
    )
    for code, about in found.items():
        near = vectors.nearest(code, len(vectors.languages)) if code in vectors.languages else []
        about["by_vectors"] = [(other, round(cosine, 3)) for other, cosine in near if other in known][:_NEAREST]


def _overlap(settings: AdaptSettings, output: Path) -> list[dict[str, Any]] | None:
    if settings.data_dir is None:
        return None
    sources = [*settings.corpus, *(settings.replay_corpus or ())]
    report = audit(
        settings.data_dir,
        corpus=sources,
        tasks=list(settings.tasks),
        output=output / "overlap",
        **read_keywords(settings),
    )
    return [row._asdict() for row in report.rows if row.any]


def _warnings(
    found: Mapping[str, Mapping[str, Any]], encoder: EncoderFacts, overlap: list[dict[str, Any]] | None
) -> list[str]:
    lines = []
    for code, about in found.items():
        if encoder.knows(code):
            how = "has embeddings of it" if encoder.languages else "is of the 100 languages of XLM-R's pretraining"
            lines.append(
                f"{code} is there already: {'the model ' if encoder.languages else 'it '}{how}. More text can still "
                "help, but compare with the start before you keep the result"
            )
        if about["sentences"] < 100:
            lines.append(f"{code}: {about['hope']}")
        if not about["script_covered"]:
            lines.append(
                f"{code}: {about['unknown']:.0%} of its characters are covered by no byte and no subword of the "
                "vocabulary, which has to grow"
            )
        if about["other_script"] > _OTHER_SCRIPT:
            lines.append(
                f"{code}: {about['other_script']:.0%} of the sentences looked at are in another script, mostly "
                f"{about['script_seen']}; is its name right?"
            )
        if about["looks_like"] is not None:
            alike = Lookalike(*about["looks_like"])
            if is_mostly(alike):
                lines.append(
                    f"{code}: by its letters half of the text looked at, or more, might be {alike.language} "
                    f"({language_name(alike.language)}; {alike.share:.0%} of the sentences are taken for it); is its "
                    "name right?"
                )
        if about["repeated"] > 0.2:
            lines.append(f"{code}: {about['repeated']:.0%} of the sentences repeat the letters of one before")
    if encoder.tokenizer_kind == "other":
        lines.append(
            "the tokenizer is of a kind that cannot be extended (known are Unigram, WordPiece and BPE of the "
            "`tokenizers` library); the vocabulary stays as it is"
        )
    if not encoder.tied:
        lines.append("decoder and embeddings are not tied: new subwords cost a row in each")
    for row in overlap or ():
        if row["exact"]:
            lines.append(
                f"{row['exact']:.1%} of the test sentences of {row['task']} in {row['language']} stand in the text: "
                "scores there will flatter the result"
            )
    return lines
