"""A checkpoint of 200 languages as a run, an evaluation and an audit leave it, with one tensor for its weights.

`python -m tests.hub.many_languages FOLDER` writes it with its card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from hf_mplm.evaluation.results import ResultRow, make_row
from hf_mplm.hub.cards import add_results_to_card, write_model_card
from hf_mplm.languages import list_codes


def make_checkpoint(folder: Path, count: int = 200, seed: int = 0) -> list[str]:
    """Write what a card is drawn from; the languages."""
    drawn = np.random.default_rng(seed)
    codes = list(list_codes("flores200"))[:count]
    folder.mkdir(parents=True)
    config = {
        "model_type": "xlm-roberta-langscript",
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "vocab_size": 250_002,
        "languages": sorted({code[:3] for code in codes}),
        "scripts": sorted({code[4:] for code in codes}),
    }
    tokens = (10 ** drawn.uniform(4, 9, len(codes))).astype(int)
    languages = {
        code: {
            "sentences": int(size // 28),
            "tokens": int(size),
            "tokens_per_character": round(float(drawn.uniform(0.2, 0.5)), 4),
            "unknown": round(float(drawn.choice([0, 0, 0, 0.001, 0.2])), 4),
            "draws": int(size**0.3 * 10),
        }
        for code, size in zip(codes, tokens)
    }
    record = {
        "corpora": ["somebody/text"],
        "sources": [
            {"name": "somebody/text", "kind": "hub", "revision": "0123456789abcdef", "license": "cc-by-4.0"},
            {"name": "udhr", "kind": "folder", "license": "cc-by-4.0"},
        ],
        "languages": languages,
        "recipe": "langsamp",
        "arguments": {"learning_rate": 1e-4, "alpha": 0.3, "max_steps": 2000},
        "hardware": "4 x NVIDIA A100-SXM4-80GB",
        "seconds": 51_234.5,
        "energy_kwh": 13.25,
        "card": {"base_model": "FacebookAI/xlm-roberta-base"},
    }
    history: list[dict[str, float]] = [
        {"step": step, "loss": 2.0 + 3.0 * float(np.exp(-step / 400))} for step in range(10, 2010, 10)
    ]
    losses = {f"eval_loss_{code}": float(drawn.uniform(1.5, 6)) for code in codes}
    history.append({"step": 1000, "eval_loss": 3.1, **losses})
    history.append({"step": 2000, "eval_loss": 2.75, **losses})
    for name, content in (
        ("config.json", config),
        ("hf_mplm.json", record),
        ("training_args.json", {"learning_rate": 1e-4, "max_steps": 2000, "seed": 42}),
        ("trainer_state.json", {"log_history": history}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    save_file({"weight": np.zeros(4, np.float32)}, folder / "model.safetensors")
    return codes


def make_rows(codes: list[str], seed: int = 0) -> list[ResultRow]:
    """Scores of two tasks; of the first of the languages at the level of guessing."""
    drawn = np.random.default_rng(seed)
    rows = []
    for number, code in enumerate(codes):
        common = {"language": code, "model": "many", "source_language": "eng_Latn"}
        guessed = number < 20
        topic = 0.14 if guessed else float(drawn.uniform(0.3, 0.9))
        found = 0.01 if guessed else float(drawn.uniform(0.2, 1))
        rows.append(
            make_row(task="sib200", metric="macro_f1", setting="zero-shot", value=topic, n=204, seed=42, **common)
        )
        for metric in ("accuracy@10", "f1"):
            rows.append(
                make_row(
                    task="tatoeba",
                    metric=metric,
                    setting="plain",
                    direction="target->source",
                    layer=8,
                    value=found,
                    n=1000,
                    **common,
                )
            )
    return rows


def make_overlap(folder: Path, code: str) -> None:
    """What an audit leaves that found something."""
    rows = [
        {"task": "sib200", "language": code, "n": 204, "n_skipped": 0, "exact": 0.25, "half": 0.3, "any": 0.5},
        {"task": "tatoeba", "language": code, "n": 1000, "n_skipped": 0, "exact": 0.0, "half": 0.0, "any": 0.1},
    ]
    (folder / "overlap.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    languages = make_checkpoint(place)
    make_overlap(place, languages[30])
    write_model_card(place)
    print(add_results_to_card(place, make_rows(languages)))
