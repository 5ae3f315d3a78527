from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_mplm.evaluation.results import ResultRow, make_row
from hf_mplm.hub.cards import add_results_to_card, write_model_card


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "my-encoder"
    folder.mkdir()
    config = {
        "model_type": "xlm-roberta-langscript",
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "vocab_size": 1000,
        "languages": ["eng", "tha"],
        "scripts": ["Latn", "Thai"],
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "training_args.json").write_text(json.dumps({"learning_rate": 5e-5, "seed": 0}), encoding="utf-8")
    (folder / "trainer_state.json").write_text(
        json.dumps({"log_history": [{"eval_loss": 3.0}, {"loss": 1.0}, {"eval_loss": 2.5}]}), encoding="utf-8"
    )
    return folder


def row(language: str, value: float, **changes: object) -> ResultRow:
    fields = {
        "task": "sib200",
        "setting": "zero-shot",
        "source_language": "eng_Latn",
        "metric": "macro_f1",
        "language": language,
        "value": value,
        "n": 204,
        "model": "my-encoder",
    }
    return make_row(**(fields | changes))  # type: ignore[arg-type]


def test_the_card_says_what_lies_in_the_folder(checkpoint: Path) -> None:
    paper = {"title": "A paper", "url": "https://example.org", "citation": "@misc{a}"}
    write_model_card(checkpoint, language_counts={"eng_Latn": 1200, "tha_Thai": 7}, paper=paper)
    card = ModelCard.load(checkpoint / "README.md")
    assert card.data.language == ["en", "th"]
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "fill-mask"
    text = card.text
    for fact in (
        "| English | eng_Latn | 1.2k |",
        "learning rate: 5e-05",
        "seed: 0",
        "2.5000",
        "2 language embeddings",
        "@misc{a}",
    ):
        assert fact in text, fact
    assert 'set_language("eng_Latn")' in text


def test_a_plain_encoder_asks_for_no_code_of_ours(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    del config["languages"], config["scripts"]
    (checkpoint / "config.json").write_text(json.dumps(config | {"model_type": "xlm-roberta"}), encoding="utf-8")
    text = write_model_card(checkpoint).read_text(encoding="utf-8")
    assert "trust_remote_code" not in text and "import hf_mplm" not in text


def test_results_are_means_over_groups_and_can_be_written_again(checkpoint: Path) -> None:
    write_model_card(checkpoint)
    rows = [row("eng_Latn", 0.875), row("spa_Latn", 0.5), row("tha_Thai", 0.25)]
    add_results_to_card(checkpoint, rows)
    path = checkpoint / "README.md"
    path.write_text(path.read_text(encoding="utf-8") + "\nWritten by hand.\n", encoding="utf-8")
    rows.append(row("wol_Latn", 0.0))
    add_results_to_card(checkpoint, rows)
    card = ModelCard.load(path)
    # English itself asks for no transfer, and stands in a column of its own.
    line = "| sib200 | zero-shot | eng_Latn | macro_f1 | 0.000 | 0.375 | 0.250 | 0.250 | 0.250 | 0.875 | 3 |"
    assert line in card.text
    assert card.text.count("## Results") == 1
    assert "Written by hand." in card.text
    (result,) = card.data.eval_results
    assert result.metric_value == 0.25 and result.dataset_type == "sib200"
    assert result.task_type == "text-classification"


def test_directions_and_layers_are_not_averaged(checkpoint: Path) -> None:
    write_model_card(checkpoint)
    rows = [
        row("tha_Thai", value, task="tatoeba", metric="accuracy@10", setting="plain", direction=direction, layer=layer)
        for direction, layer, value in (
            ("source->target", 8, 0.1),
            ("target->source", 8, 0.2),
            ("source->target", 12, 0.3),
        )
    ]
    add_results_to_card(checkpoint, rows)
    results = ModelCard.load(checkpoint / "README.md").data.eval_results
    assert sorted(result.metric_value for result in results) == [0.1, 0.2, 0.3]
    assert len({result.dataset_config for result in results}) == 3


def test_a_source_language_alone_is_shown_as_itself(checkpoint: Path) -> None:
    write_model_card(checkpoint)
    add_results_to_card(checkpoint, [row("eng_Latn", 0.5, task="xquad", metric="f1")])
    card = ModelCard.load(checkpoint / "README.md")
    (result,) = card.data.eval_results
    assert (result.metric_value, result.task_type) == (0.5, "question-answering")
    assert "itself" in result.dataset_name
    assert "| xquad | zero-shot | eng_Latn | f1 | – | – | – | – | – | 0.500 | 0 |" in card.text


def test_a_card_written_by_hand_is_kept(checkpoint: Path) -> None:
    path = checkpoint / "README.md"
    path.write_text("mine", encoding="utf-8")
    write_model_card(checkpoint)
    assert path.read_text(encoding="utf-8") == "mine"


def test_what_is_missing_is_said(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(FileNotFoundError, match="config.json"):
        write_model_card(tmp_path)
    with pytest.raises(FileNotFoundError, match="write_model_card"):
        add_results_to_card(checkpoint, [row("eng_Latn", 0.5)])
    write_model_card(checkpoint)
    with pytest.raises(ValueError, match="no results"):
        add_results_to_card(checkpoint, [])
