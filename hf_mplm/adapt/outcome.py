"""The fourth stage: the start and the result, measured alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hf_mplm.data.store.token_store import TokenStore
from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.evaluation.files.corpus import MissingDataError
from hf_mplm.evaluation.results import ResultRow, make_row, read_results
from hf_mplm.evaluation.runner import evaluate
from hf_mplm.hub.cards import add_results_to_card
from hf_mplm.modeling.stock import load_masked_lm
from hf_mplm.report.compare import bootstrap_interval

from .held_out import HeldOut, compare_bits, complete_tables, measure_held_out
from .keeping import keeping_line
from .settings import AdaptSettings


__all__ = ["STANDINGS", "measure_outcome", "update_card"]

logger = logging.getLogger(__name__)

#: What a language can be to an adaptation: new, or known and replayed, or known and only watched.
STANDINGS = ("new", "replayed", "watched")
HELD_OUT = "held-out"
BITS = "bits_per_character"
_EXAMPLES = 3
_WORDS = 16
_GUESSES = 3


def measure_outcome(
    settings: AdaptSettings,
    found: Mapping[str, Any],
    before: Sequence[TokenStore],
    after: Sequence[TokenStore],
    model: Path,
    scores: Path,
) -> dict[str, Any]:
    """Measure both models on held-out text, and on benchmarks where there are some.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        found (`Mapping`): the diagnosis.
        before (`Sequence[TokenStore]`): the text that was trained on in the start's tokens, and after it that of
            languages that are watched.
        after (`Sequence[TokenStore]`): the same in the result's.
        model (`Path`): the result.
        scores (`Path`): folder for the results of benchmarks, `before` and `after`.

    Returns:
        `dict`: `held_out` by language, the mean `changes` of each of `STANDINGS` with their intervals over languages,
            `left_out`, `keeping` and `examples`.
    """
    # An encoder without its LM head predicts nothing.
    start = None if settings.new_lm_head else _measure_all(settings.model, before, settings)
    result = _measure_all(model, after, settings)
    trained = after[0].languages
    languages = [code for store in after for code in store.languages]
    held_out = {code: _side_by_side(code, start, result, found, trained) for code in result}
    left_out: list[str] = []
    if settings.data_dir is not None:
        for name, encoder in (("before", settings.model), ("after", str(model))):
            left_out += _measure_tasks(settings, encoder, languages, scores / name)
    else:
        left_out.append("no benchmark was measured: --data_dir names the folder with one folder a benchmark")
    return {
        "held_out": held_out,
        "changes": {standing: _mean_change(held_out, standing) for standing in STANDINGS},
        "left_out": sorted(set(left_out)),
        "keeping": keeping_line(settings),
        "examples": _examples(settings, found, after[0], model),
    }


def update_card(model: Path, outcome: Mapping[str, Any], scores: Path) -> None:
    """Write what was measured into the card of the result.

    Args:
        model (`Path`): its folder.
        outcome (`Mapping`): what [`measure_outcome`] returns.
        scores (`Path`): folder of the results of benchmarks.
    """
    rows: list[ResultRow] = [
        make_row(
            task=HELD_OUT,
            language=code,
            metric=BITS,
            value=about["after"],
            n=about["rows"],
            model=str(model),
            setting="after",
        )
        for code, about in outcome["held_out"].items()
    ]
    if (scores / "after" / "results.parquet").is_file():
        rows += read_results(scores / "after")
    add_results_to_card(model, rows, task_types={HELD_OUT: "fill-mask"})


def _measure_all(model: str | Path, stores: Sequence[TokenStore], settings: AdaptSettings) -> dict[str, HeldOut]:
    return {code: one for store in stores for code, one in measure_held_out(model, store, settings).items()}


def _side_by_side(
    code: str,
    start: Mapping[str, HeldOut] | None,
    result: Mapping[str, HeldOut],
    found: Mapping[str, Any],
    trained: Sequence[str],
) -> dict[str, Any]:
    after = result[code]
    about: dict[str, Any] = {
        "standing": "new" if code in found["languages"] else "replayed" if code in trained else "watched",
        "rows": len(after.losses),
        "after": round(after.bits(), 6),
        "before": None,
        "change": None,
    }
    if start is not None and code in start:
        # Both are charged for the same characters, as the result's vocabulary reads them.
        before = start[code]._replace(characters=after.characters)
        about["before"] = round(before.bits(), 6)
        about["change"] = [round(value, 6) for value in compare_bits(before, after)]
    return about


def _mean_change(held_out: Mapping[str, Mapping[str, Any]], standing: str) -> list[float] | None:
    """The mean change over languages with its interval over languages, or one language's own."""
    changes = [
        about["change"] for about in held_out.values() if about["standing"] == standing and about["change"] is not None
    ]
    if len(changes) < 2:
        return changes[0] if changes else None
    means = [change[0] for change in changes]
    low, high = bootstrap_interval(means)
    return [round(value, 6) for value in (sum(means) / len(means), low, high)]


def _measure_tasks(settings: AdaptSettings, model: str, languages: Sequence[str], output: Path) -> list[str]:
    """Measure what there is data for, and say what there is none for."""
    left_out = []
    for task in settings.tasks:
        try:
            rows = evaluate(
                model,
                task,
                str(settings.data_dir),
                list(languages),
                output,
                retrieval_settings=["plain", "centred"],
                transfer_settings=["probe"],
                seeds=[settings.seed],
                trust_remote_code=settings.trust_remote_code,
            )
        except (MissingDataError, FileNotFoundError) as error:
            left_out.append(f"{task}: {error}")
            continue
        left_out += rows.missing
    return left_out


@torch.no_grad()
def _examples(
    settings: AdaptSettings, found: Mapping[str, Any], store: TokenStore, model: Path
) -> dict[str, list[dict[str, Any]]]:
    """Held-out sentences with a word masked, and what both models make of it."""
    tokenizer = load_tokenizer(store.tokenizer_path)
    last = {tokenizer.eos_token_id, tokenizer.sep_token_id} - {None}
    texts: dict[str, list[list[str]]] = {}
    for row in store.holdout or ():
        code = store.languages[row["language"]]
        # A row holds several sentences, and the first may be the rest of one.
        ends = [place for place, index in enumerate(row["input_ids"]) if index in last]
        text = str(tokenizer.decode(row["input_ids"][: ends[0] if ends else None], skip_special_tokens=True))
        words = text.split()[:_WORDS]
        if code in found["languages"] and len(words) > 3 and len(texts.setdefault(code, [])) < _EXAMPLES:
            texts[code].append(words)
    models = {"after": str(model)} if settings.new_lm_head else {"before": settings.model, "after": str(model)}
    shown: dict[str, list[dict[str, Any]]] = {code: [] for code in texts}
    for side, name in models.items():
        loaded: Any = load_masked_lm(name, trust_remote_code=settings.trust_remote_code)
        own = load_tokenizer(name, trust_remote_code=settings.trust_remote_code)
        has_tables = complete_tables(loaded, list(texts))
        for code, sentences in texts.items():
            if has_tables:
                loaded.set_language(code)
            for place, words in enumerate(sentences):
                middle = len(words) // 2
                text = " ".join([*words[:middle], own.mask_token, *words[middle + 1 :]])
                given = own(text, return_tensors="pt")
                where = given["input_ids"][0].eq(own.mask_token_id).nonzero()
                if len(shown[code]) <= place:
                    shown[code].append({"text": " ".join(words), "word": words[middle]})
                guesses = []
                if len(where):
                    # On transformers 4.57 the tokenizer gives token types that ModernBERT does not take.
                    read = {key: given[key] for key in ("input_ids", "attention_mask")}
                    logits = loaded(**read).logits[0, int(where[0])]
                    guesses = [str(own.decode([index])).strip() for index in logits.topk(_GUESSES).indices.tolist()]
                shown[code][place][side] = guesses
    return shown
