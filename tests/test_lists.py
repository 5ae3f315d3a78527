"""A string where Python takes a list is taken as the command line takes it, in every public argument."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import hf_mplm
from hf_mplm._lists import as_codes, as_list, split_list
from hf_mplm.adapt import AdaptSettings
from hf_mplm.data import (
    DataCollatorForMaskedLM,
    Romanizer,
    WordVectors,
    extend_tokenizer,
    iter_corpus,
    list_languages,
)
from hf_mplm.evaluation import DownstreamEvaluationCallback, group_mean
from hf_mplm.modeling import split_codes
from hf_mplm.report.table import markdown_table
from hf_mplm.sample import iter_sample, write_benchmark, write_corpus
from hf_mplm.static.parallel import read_parallel

# Parsing rewrites the types of inherited fields, which classes made later would take up: here they are made before.
from hf_mplm.trainers import (
    MaskedLMTrainingArguments,
    MplmTrainingArguments,
    ScriptAlignmentArguments,
    StaticAlignmentArguments,
)
from hf_mplm.transfer import rank_donors
from tests.fixtures import tiny_xlm_roberta


LIST_OF_STRINGS = re.compile(
    r"(?:Sequence|list|List|Iterable|Iterator|Collection|set|Set|frozenset|tuple)\[(?:[\w. ]+ \| )*str\b(?! \w)"
)
# Parameters, as FUNCTION.NAME or CLASS.METHOD.NAME, that take a string for a list.
HANDLED = {
    "AdaptSettings.__init__.corpus",
    "AdaptSettings.__init__.languages",
    "AdaptSettings.__init__.replay_corpus",
    "AdaptSettings.__init__.replay_languages",
    "AdaptSettings.__init__.tasks",
    "MaskedLMTrainingArguments.__init__.replay_languages",
    "MplmTrainingArguments.__init__.replay_languages",
    "ScriptAlignmentArguments.__init__.replay_languages",
    "StaticAlignmentArguments.__init__.replay_languages",
    "ClassificationTask.__init__.joint",
    "TransferTask.__init__.joint",
    "BertLangScriptConfig.__init__.languages",
    "BertLangScriptConfig.__init__.scripts",
    "ClassificationTask.__init__.labels",
    "HubDataset.__init__.always",
    "ClassificationTask.__init__.metrics",
    "DataCollatorForMaskedLM.__init__.extra_keys",
    "DataCollatorForTransliteration.__init__.extra_keys",
    "DownstreamEvaluationCallback.__init__.languages",
    "DownstreamEvaluationCallback.__init__.tasks",
    "LangScriptConfigMixin.__init__.languages",
    "LangScriptConfigMixin.__init__.scripts",
    "LangScriptLM.add_languages.codes",
    "LangScriptLM.from_encoder.languages",
    "LangScriptLM.from_encoder.scripts",
    "LangScriptLM.nearest_languages.among",
    "LanguageVectors.__init__.languages",
    "LanguageVectors.select.languages",
    "LanguageVectors.select.views",
    "ModernBertLangScriptConfig.__init__.languages",
    "ModernBertLangScriptConfig.__init__.scripts",
    "Page.table.header",
    "Romanizer.__call__.languages",
    "WordVectors.__init__.languages",
    "XLMRobertaLangScriptConfig.__init__.languages",
    "XLMRobertaLangScriptConfig.__init__.scripts",
    "StudySettings.__init__.combination_languages",
    "StudySettings.__init__.fusion",
    "StudySettings.__init__.targets",
    "StudySettings.__init__.tasks",
    "StudySettings.__init__.transfer_languages",
    "TokenStore.select.languages",
    "hub_languages.codes",
    "analyse.views",
    "cluster_languages.clusters",
    "compute_language_vectors.corpus",
    "compute_language_vectors.languages",
    "compute_language_vectors.layers",
    "compute_language_vectors.pooling",
    "digest_files.paths",
    "evaluate.languages",
    "evaluate.tasks",
    "evaluate_collection.languages",
    "evaluate_collection.source_languages",
    "evaluate_collection.tasks",
    "add_results_to_card.limited",
    "export_mteb.limited",
    "pack_start.languages",
    "extend_for_romanized.corpus",
    "extend_tokenizer.new_pieces",
    "extract_static.corpus",
    "extract_static.languages",
    "StaticEmbeddings.select.languages",
    "read_dictionaries.languages",
    "read_dictionaries.paths",
    "word_space.languages",
    "word_space.words",
    "feature_states.codes",
    "find_damage.names",
    "group_mean.languages",
    "html_report.names",
    "iter_corpus.languages",
    "iter_corpus.source",
    "iter_sample.languages",
    "latex_table.names",
    "list_languages.source",
    "load_for_method.languages",
    "markdown_report.names",
    "markdown_table.header",
    "means_table.groups",
    "pair_features.seen",
    "prepare_pair_store.corpus",
    "prepare_pair_store.languages",
    "prepare_store.corpus",
    "prepare_store.languages",
    "rank_donors.among",
    "refuse_damage.names",
    "romanize_corpus.corpus",
    "romanize_corpus.languages",
    "split_codes.codes",
    "write_benchmark.languages",
    "write_comparison.names",
    "write_corpus.languages",
    "write_digests.names",
    "write_digests.without",
    "AdaptedEncoder.combine.names",
    "MaskedBatches.__init__.languages",
    "Scorer.score.languages",
    "Scorer.score.targets",
    "TaskModule.active.languages",
    "combined_adapters.languages",
    "language_combinations.languages",
    "read_test_sets.targets",
    "read_training_data.languages",
    "seed_fusion.languages",
    "seen_means.seen",
    "train_fusion.languages",
}
RUNNER = "called by the runner, which has taken what was given"
IGNORED = "Trainer's own; the held-out loss has no outputs to leave out"
TEXT = "sentences, which hold commas and spaces; one string is refused"
EXEMPT = {
    "HeldOutEvaluation.evaluation_loop.ignore_keys": IGNORED,
    "MplmTrainer.evaluate.ignore_keys": IGNORED,
    "ResumableTrainer.train.ignore_keys_for_eval": IGNORED,
    "Encoder.encode.texts": "a protocol, which has no body",
    "HubDataset.choose.paths": "all files of a repository, whose names may hold commas",
    "Romanizer.__call__.texts": TEXT,
    "StaticEmbeddings.encode.texts": TEXT,
    "TransformerEncoder.encode.texts": TEXT,
    "TransformerEncoder.encode_views.texts": TEXT,
    "Sprachbunds.__init__.clusters": "filled by the package",
    "Advice.__init__.languages": "filled by the package",
    "Prediction.__init__.verdicts": "filled by the package",
    "LangScriptConfigMixin.__init__.language_scripts": "filled by the package",
    "Publication.__init__.left": "filled by the package",
    "Scores.__init__.base": "filled by the package",
    "Scores.__init__.combined": "filled by the package",
    "Scores.__init__.examples": "filled by the package",
    "Scores.__init__.tuned": "filled by the package",
    "Unit.__init__.languages": "filled by the package",
    "Sprachbunds.__init__.left_out": "filled by the package",
    "Sprachbunds.__init__.pivots": "filled by the package",
    "SprachbundRouter.encode.texts": "sentences; one string is one",
    "SprachbundRouter.route_text.texts": "sentences; one string is one",
    "Member.__init__.languages": "filled by the package",
    "Member.__init__.trained_on": "filled by the package",
    "similar_tokens.texts": TEXT,
    "train_tokenizer.texts": TEXT,
    "WordVectors.__init__.words": TEXT,
    "WordVectors.from_languages.tables": TEXT,
    "CorpusReport.__init__.where": "filled by the package: lists within a mapping",
    "CorpusReport.__init__.files": "filled by the package: lists within a mapping",
    "Finding.over.codes": "filled by the package",
    "Finding.over.lacking": "filled by the package",
    "GroupScore.__init__.languages": "filled by the package",
    "TransferTask.cells.languages": RUNNER,
    "TransferTask.check.languages": RUNNER,
    "TransferTask.evaluate.languages": RUNNER,
    "ClassificationTask.cells.languages": RUNNER,
    "ClassificationTask.evaluate.languages": RUNNER,
    "ModuleRecord.__init__.labels": "filled by the package",
    "TargetSets.__init__.refused": "filled by the package: pairs of task and language",
    "label_index.labels": "a task hands over its own, which have been taken",
    "read_records.columns": "names of columns, which a task writes down",
} | {
    f"{arguments.__name__}.__init__.{field}": why
    for arguments in (
        MplmTrainingArguments,
        MaskedLMTrainingArguments,
        ScriptAlignmentArguments,
        StaticAlignmentArguments,
    )
    for field, why in (
        ("include_for_metrics", "refused, whatever it is"),
        ("label_names", "refused, whatever it is"),
        ("optim_target_modules", "transformers' own, in which a string is a pattern"),
    )
}


def members(public):
    """The functions of a public name: itself, or a class's own and inherited methods that are the package's."""
    if inspect.isfunction(public):
        yield public.__name__, public
    if not inspect.isclass(public):
        return
    for owner in public.__mro__:
        if not owner.__module__.startswith("hf_mplm"):
            continue
        for name, member in vars(owner).items():
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function) and (name in ("__init__", "__call__") or not name.startswith("_")):
                # transformers wraps the constructors of configurations, which stay those of the mixin.
                named = function.__qualname__
                yield f"{owner.__name__}.{name}" if "<locals>" in named else named, function


def parameters() -> set[str]:
    rooms = ["hf_mplm", *(m.name for m in pkgutil.walk_packages(hf_mplm.__path__, "hf_mplm.") if m.ispkg)]
    found = set()
    for room in rooms:
        module = importlib.import_module(room)
        for name in getattr(module, "__all__", ()):
            for function_name, function in members(getattr(module, name)):
                for parameter in inspect.signature(function).parameters.values():
                    kind = parameter.annotation
                    kind = kind if isinstance(kind, str) else inspect.formatannotation(kind)
                    if LIST_OF_STRINGS.search(kind):
                        found.add(f"{function_name}.{parameter.name}")
    return found


def test_every_public_parameter_that_takes_strings_is_seen_to():
    found = parameters()
    new, gone = sorted(found - HANDLED - set(EXEMPT)), sorted((HANDLED | set(EXEMPT)) - found)
    assert not new, f"take a string as the command line does (as_list), or say why not: {new}"
    assert not gone, f"these are no parameters any more: {gone}"


@pytest.mark.parametrize("kind", ["Sequence[str] | None", "str | Path | Sequence[str | Path]", "Iterable[Path | str]"])
def test_the_search_sees_lists_of_strings(kind):
    assert LIST_OF_STRINGS.search(kind) and not LIST_OF_STRINGS.search(kind.replace("str", "int"))


def test_a_string_is_split_at_commas_and_spaces():
    for given in ("a,b", "a b", " a, b ,", ["a", "b"], ["a,b"], ("a", "b"), iter(["a b"])):
        assert as_list(given) == ["a", "b"]
    assert as_list(3) == [3] and as_list(Path("a b")) == [Path("a b")]
    assert as_codes(None) is None and as_codes("a,b") == ("a", "b") and as_codes([]) == ()
    for nothing in ("", " ,"):
        with pytest.raises(ValueError, match="names nothing"):
            as_list(nothing)


def test_settings_of_an_adaptation_take_strings():
    given = AdaptSettings(
        model="m",
        corpus="my text",
        languages="wol_Latn, kab_Latn",
        tasks="flores sib200",
        replay_corpus=Path("old text"),
        replay_languages="swh_Latn",
    )
    assert given.corpus == ("my text",) and given.replay_corpus == ("old text",)
    assert given.languages == ("wol_Latn", "kab_Latn") and given.tasks == ("flores", "sib200")
    assert given.replay_languages == ("swh_Latn",)


def test_paths_and_labels_keep_their_spaces(tmp_path):
    whole = tmp_path / "a, b"
    whole.mkdir()
    assert split_list(str(whole), keep_spaces=True) == [str(whole)]
    assert as_list("run one, run two", keep_spaces=True) == ["run one", "run two"]
    assert as_list(["a, b"], keep_spaces=True) == ["a, b"]


def test_of_the_sample_and_of_a_corpus(tmp_path):
    codes = ["swh_Latn", "eng_Latn"]
    assert list(iter_sample("swh_Latn,eng_Latn")) == list(iter_sample(codes))
    corpus = write_corpus(tmp_path / "corpus", "swh_Latn eng_Latn")
    assert sorted(path.stem for path in corpus.glob("*.txt")) == sorted(codes)
    write_benchmark(tmp_path / "data", "swh_Latn")
    assert list(iter_corpus(corpus, languages="swh_Latn")) == list(iter_corpus(corpus, languages=["swh_Latn"]))
    assert len(list(iter_corpus(corpus, languages="swh_Latn, eng_Latn"))) == len(list(iter_corpus(corpus)))
    files = [corpus / f"{code}.txt" for code in codes]
    both = ",".join(map(str, files))
    assert list_languages(both) == sorted(codes)
    assert list(iter_corpus(both)) == list(iter_corpus(files))
    assert read_parallel(both) == read_parallel(files, "swh_Latn,eng_Latn")


def test_of_what_is_prepared(tmp_path, tiny_tokenizer):
    corpus = write_corpus(tmp_path / "corpus", ["swh_Latn", "eng_Latn", "tha_Thai"])
    options = {"languages": "swh_Latn,tha_Thai", "num_proc": 1}
    store = hf_mplm.prepare_store(corpus, tiny_tokenizer, tmp_path / "store", **options)
    assert set(store.languages) == {"swh_Latn", "tha_Thai"}
    pairs = hf_mplm.prepare_pair_store(corpus, tiny_tokenizer, tmp_path / "pairs", **options)
    assert set(pairs.languages) <= {"swh_Latn", "tha_Thai"} and "tha_Thai" in pairs.languages
    hf_mplm.romanize_corpus(corpus, tmp_path / "romanized", languages="tha_Thai", num_proc=1)
    assert list_languages(tmp_path / "romanized") == ["tha_Thai"]


def test_of_models(tmp_path, tiny_tokenizer):
    assert split_codes("swh_Latn,tha_Thai") == split_codes(["swh_Latn", "tha_Thai"])
    tiny_xlm_roberta(len(tiny_tokenizer)).save_pretrained(tmp_path)
    model = hf_mplm.XLMRobertaForLangScriptMLM.from_encoder(tmp_path, "swh,eng", "Latn")
    assert model.config.languages == ["swh", "eng"] and model.config.scripts == ["Latn"]
    model.add_languages("tha_Thai rus_Cyrl")
    assert model.config.languages == ["swh", "eng", "tha", "rus"]
    among = "eng_Latn,tha_Thai"
    assert model.nearest_languages("swh_Latn", among) == model.nearest_languages("swh_Latn", among.split(","))
    config = hf_mplm.XLMRobertaLangScriptConfig(languages="swh,eng", scripts="Latn")
    assert config.languages == ["swh", "eng"]
    model.save_pretrained(tmp_path / "model")
    ranked = [donor.language for donor in rank_donors("swh_Latn", among, model=tmp_path / "model")]
    assert sorted(ranked) == ["eng_Latn", "tha_Thai"]
    with pytest.raises(ValueError, match="names no language"):
        model.add_languages("")


def test_of_collators_and_measuring(tmp_path, tiny_tokenizer):
    assert DataCollatorForMaskedLM(tiny_tokenizer, extra_keys="draw").extra_keys == ("draw",)
    callback = DownstreamEvaluationCallback("flores,tatoeba", tmp_path, languages="swh_Latn,eng_Latn")
    assert callback.languages == ["swh_Latn", "eng_Latn"] and len(callback.in_process) == 2
    assert group_mean({"a": 1.0, "b": 3.0}, "a,b") == 2.0
    assert markdown_table("a b,c", [[1, 2]]) == markdown_table(["a b", "c"], [[1, 2]])


def test_one_language_a_text():
    romanizer = Romanizer(use_language_codes=True)
    assert romanizer(["мир"], "rus_Cyrl") == romanizer(["мир"], ["rus_Cyrl"])
    with pytest.raises(ValueError, match="2 texts were given with 1 languages"):
        romanizer(["мир", "дом"], "rus_Cyrl")


def test_new_pieces(tmp_path, tiny_tokenizer):
    extended = extend_tokenizer(tiny_tokenizer, "▁zyxwv,▁qqqzz", tmp_path)
    assert len(extended) == len(tiny_tokenizer) + 2


def test_of_words():
    vectors = np.eye(2, dtype=np.float32)
    assert WordVectors(["a", "b"], "deu_Latn,eng_Latn", np.array([0, 1]), vectors).languages == [
        "deu_Latn",
        "eng_Latn",
    ]


def test_one_text_is_not_taken_for_many(tmp_path):
    with pytest.raises(ValueError, match="one string was given"):
        WordVectors("ab", ["deu_Latn"], np.array([0, 0]), np.eye(2, dtype=np.float32))
    with pytest.raises(ValueError, match="one string was given"):
        WordVectors.from_languages({"deu_Latn": ("ab", np.eye(2, dtype=np.float32))})
    with pytest.raises(ValueError, match="one string was given"):
        hf_mplm.train_tokenizer("one sentence", tmp_path / "tokenizer", vocab_size=100)
    with pytest.raises(ValueError, match="one string was given"):
        hf_mplm.evaluation.TransformerEncoder.encode(SimpleNamespace(), "one sentence")
