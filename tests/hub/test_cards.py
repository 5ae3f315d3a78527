from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_mplm.data.tokenizing.tokenizers import load_tokenizer
from hf_mplm.evaluation.results import ResultRow, make_row
from hf_mplm.hub.cards import add_results_to_card, write_model_card
from hf_mplm.hub.cards.checkpoint import draw_model_card
from hf_mplm.hub.cards.folder import make_card
from hf_mplm.hub.cards.rendering import save_card
from hf_mplm.hub.cards.sections import merge_sections
from hf_mplm.hub.publish_kinds import KINDS
from hf_mplm.modeling import XLMRobertaForLangScriptMLM
from hf_mplm.trainers.base.publishing import sparing_training
from tests.fixtures import tiny_xlm_roberta
from tests.trainers.helpers import CODES, make_trainer


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
    with pytest.raises(TypeError, match="nothing called licence; there are name, base_model, facts, .*license"):
        write_model_card(checkpoint, licence="mit")  # type: ignore[call-arg]
    with pytest.raises(FileNotFoundError, match="write_model_card"):
        add_results_to_card(checkpoint, [row("eng_Latn", 0.5)])
    write_model_card(checkpoint)
    with pytest.raises(ValueError, match="no results"):
        add_results_to_card(checkpoint, [])


def test_a_card_that_cannot_be_drawn_ends_no_training(caplog: pytest.LogCaptureFixture) -> None:
    with sparing_training("the model's card"):
        raise OSError("no room")
    assert "the model's card was not written: OSError: no room" in caplog.text


def test_sections_that_are_new_come_in_and_those_taken_out_stay_out() -> None:
    old = "<!-- hf_mplm: use -->\nUse\n<!-- hf_mplm: end of use -->\nmine\n<!-- hf_mplm: results -->\n"
    old += "<!-- hf_mplm: end of results -->\n"
    new = "".join(
        f"<!-- hf_mplm: {name} -->\n{name} now\n<!-- hf_mplm: end of {name} -->\n"
        for name in ("use", "languages", "limits")
    )
    wrote = {"use": "1", "limits": "2"}
    merged = merge_sections(old, new, wrote)
    assert "use now" in merged and "mine" in merged and "limits now" not in merged
    assert merged.index("use now") < merged.index("languages now") < merged.index("mine")
    # Of a card that does not say what was written, a gap is an author's.
    assert "languages now" not in merge_sections(old, new, {})


def test_what_a_person_wrote_into_a_section_stays_until_the_model_is_another(checkpoint: Path) -> None:
    path = write_model_card(checkpoint)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("seed: 0", "seed: 0, the third one tried"), encoding="utf-8")
    again = text.replace("learning rate: 5e-05", "learning rate: 6e-05").replace("2 layers", "3 layers")
    save_card(again, path, keep_edited=True)
    kept = path.read_text(encoding="utf-8")
    assert "the third one tried" in kept and "6e-05" not in kept and "3 layers" in kept
    save_card(again, path, keep_edited=True)
    assert path.read_text(encoding="utf-8") == kept, "and is told from ours every time"
    write_model_card(checkpoint)
    assert "the third one tried" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ['a "quoted" |name|', "`x` <b>", "{{ 7 * 7 }}", "{% include 'base.md' %}"])
def test_names_are_shown_and_not_obeyed(checkpoint: Path, name: str) -> None:
    record = {"sources": [{"name": name, "kind": "folder"}], "recipe": name, "arguments": {"note": name}}
    (checkpoint / "hf_mplm.json").write_text(json.dumps(record), encoding="utf-8")
    text = write_model_card(checkpoint, name=name, language_counts={"eng_Latn": 1}).read_text(encoding="utf-8")
    assert "49" not in text.split("## Limits")[0].split("## Training data")[0]
    assert text.count("```") % 2 == 0 and text.count("## Use") == 1
    assert ModelCard.load(checkpoint / "README.md").data.library_name == "transformers"


def test_a_push_draws_the_card_anew_and_keeps_what_a_person_wrote(checkpoint: Path) -> None:
    (checkpoint / "hf_mplm.json").write_text(json.dumps({"languages": {"eng_Latn": {"draws": 3}}}), encoding="utf-8")
    path = write_model_card(checkpoint)
    path.write_text(path.read_text(encoding="utf-8").replace("seed: 0", "seed: mine"), encoding="utf-8")
    before = path.read_bytes()
    overlap = {"rows": [{"task": "sib200", "language": "eng_Latn", "exact": 0.5}]}
    (checkpoint / "overlap.json").write_text(json.dumps(overlap), encoding="utf-8")
    kind = next(kind for kind in KINDS if kind.name == "langsamp")
    drawn = make_card(checkpoint, kind, "somebody/model", None, {})
    assert drawn is not None and set(drawn) == {"README.md"}
    text = drawn["README.md"].decode()
    assert "seed: mine" in text and "sib200 eng_Latn (50.0%)" in text and '"somebody/model"' in text
    assert path.read_bytes() == before
    path.write_text("mine", encoding="utf-8")
    assert make_card(checkpoint, kind, "somebody/model", None, {}) is None


def test_a_card_that_is_drawn_anew_knows_what_a_task_of_ones_own_was_called(checkpoint: Path) -> None:
    path = write_model_card(checkpoint)
    rows = [row("eng_Latn", 2.5, task="held-out", metric="bits_per_character", setting="after", source_language="")]
    add_results_to_card(checkpoint, rows, task_types={"held-out": "fill-mask"})
    indexed = ModelCard.load(path).data.to_dict()["model-index"]
    drawn = ModelCard(draw_model_card(checkpoint, name=checkpoint.name)).data.to_dict()
    assert drawn["model-index"] == indexed


def test_a_model_is_finished_whose_card_cannot_be_drawn(
    tmp_path: Path, tiny_tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = load_tokenizer(tiny_tokenizer_folder)
    tiny_xlm_roberta(len(tokenizer)).save_pretrained(tmp_path / "start")
    model = XLMRobertaForLangScriptMLM.from_encoder(tmp_path / "start", CODES)
    trainer = make_trainer(model, tokenizer, tmp_path / "run", max_steps=1)
    trainer.train()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the template is broken")

    monkeypatch.setattr("hf_mplm.hub.cards.checkpoint.render", fail)
    trainer.save_finished()
    assert "the template is broken" in caplog.text and not (tmp_path / "run" / "README.md").exists()
    assert (tmp_path / "run" / "config.json").is_file() and (tmp_path / "run" / "digests.json").is_file()
    monkeypatch.undo()
    trainer.save_finished()
    assert "## Limits" in (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
