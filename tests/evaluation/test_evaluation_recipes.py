from __future__ import annotations

import pytest

from hf_mplm.evaluation.kinds.finetuning import finetuning_settings
from hf_mplm.recipes import load_recipe


# Task: learning rate, epochs, effective batch, length; None where the section is silent. Copied from the papers.
PAPERS = {
    # LangSAMP, appendix A.
    "evaluate-langsamp": {
        "taxi1500": (1e-5, 40, 16, None),
        "sib200": (1e-5, 40, 16, None),
        "ner": (2e-5, 10, 32, None),
        "pos": (2e-5, 10, 32, None),
    },
    # Transliteration-based post-training alignment, appendix B.
    "evaluate-ppa": {
        "taxi1500": (1e-5, 40, 32, 100),
        "sib200": (1e-5, 40, 32, 160),
        "ner": (2e-5, 5, 64, 256),
        "pos": (2e-5, 10, 64, 256),
    },
    # Representation sprachbund, section 5.2.
    "evaluate-sprachbund": {
        "xnli": (5e-6, 10, 32, None),
        "pos": (2e-5, 20, 32, None),
        "mlqa": (3e-5, 2, 12, None),
    },
    # The transfer study, appendix E.
    "evaluate-transfer-study": {
        "parsing": (5e-4, 5, 36, 256),
        "pos": (5e-4, 5, 36, 256),
        "ner": (5e-4, 5, 36, 256),
        "xnli": (5e-5, 5, 32, 128),
        "americasnli": (5e-5, 5, 32, 128),
        "tydiqa": (3e-5, 5, 32, 384),
    },
}


@pytest.mark.parametrize("recipe", sorted(PAPERS))
def test_recipes_have_the_numbers_of_the_papers(recipe):
    overrides = load_recipe(recipe)["finetuning"]
    for task, (learning_rate, epochs, batch, length) in PAPERS[recipe].items():
        # As a run takes them: over the values of the default recipe, none of which may show through.
        settings = finetuning_settings(task, overrides)
        assert (settings.learning_rate, settings.num_train_epochs) == (learning_rate, epochs), task
        assert settings.batch_size * settings.gradient_accumulation_steps == batch, task
        assert length is None or settings.max_length == length, task


def test_seeds_layers_and_strides_are_the_papers():
    # Five seeds in LangSAMP (table 1) and appendix B of script alignment, three runs in static alignment (4.2).
    for recipe, runs in (("evaluate-langsamp", 5), ("evaluate-ppa", 5), ("evaluate-static", 3)):
        assert len(set(str(load_recipe(recipe)["seeds"]).split(","))) == runs
    # "Layer 7" counted from 0 behind the embeddings.
    assert load_recipe("evaluate-static")["layer"] == 8
    assert load_recipe("evaluate-transfer-study")["finetuning"]["tydiqa"]["doc_stride"] == 128
    # Appendix A of script alignment, which its appendix B refers to.
    assert all(values["weight_decay"] == 0.01 for values in load_recipe("evaluate-ppa")["finetuning"].values())


def test_a_recipe_says_everything_that_the_default_would_fill_in():
    """The values of evaluate-langsamp show through where another recipe is silent on accumulation or length."""
    for recipe in (*PAPERS, "evaluate-static"):
        if recipe == "evaluate-langsamp":
            continue
        for task, values in load_recipe(recipe)["finetuning"].items():
            assert {"batch_size", "gradient_accumulation_steps", "max_length"} <= set(values), (recipe, task)
