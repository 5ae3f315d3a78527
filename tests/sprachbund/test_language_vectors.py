from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_mplm.jobs.files import DamagedError
from hf_mplm.sprachbund.vectors.block_sums import NUM_BLOCKS, BlockSums
from hf_mplm.sprachbund.vectors.language_vectors import LanguageVectors


CODES = ["deu_Latn", "eng_Latn", "rus_Cyrl", "swh_Latn"]
MODEL = {"source": "encoder", "model": "mini", "revision": "xxh3:1", "tokenizer": "abc"}


def vectors_of(
    sentences: dict[str, np.ndarray], config: dict[str, str] | None = None, blocks: dict[str, np.ndarray] | None = None
) -> LanguageVectors:
    """Vectors of given sentence vectors, whose blocks follow one another unless they are given."""
    codes = sorted(sentences)
    total = BlockSums.zeros(len(codes), next(iter(sentences.values())).shape[1])
    for row, code in enumerate(codes):
        places = (blocks or {}).get(code, np.arange(len(sentences[code])) % NUM_BLOCKS)
        total.add(row, places, sentences[code])
    return LanguageVectors(codes, {"layer4-mean": total}, MODEL if config is None else config)


@pytest.fixture
def sentences() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {code: generator.normal(size=5) + generator.normal(size=(40, 5)) for code in CODES}


def test_the_matrix_is_the_mean_and_the_centre_the_unweighted_mean(sentences: dict[str, np.ndarray]) -> None:
    sentences["deu_Latn"] = sentences["deu_Latn"][:3]  # so that a weighted centre would be another one
    vectors = vectors_of(sentences)
    means = np.array([sentences[code].mean(axis=0) for code in CODES])
    assert vectors.matrix(center=False) == pytest.approx(means, abs=1e-12)
    assert vectors.matrix("layer4-mean") == pytest.approx(means - means.mean(axis=0), abs=1e-12)
    assert np.abs(np.concatenate(list(sentences.values())).mean(axis=0) - vectors.centre()).max() > 1e-3
    cosines = vectors.cosine()
    centred = means - means.mean(axis=0)
    expected = centred[0] @ centred[2] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[2])
    assert cosines[0, 2] == pytest.approx(expected) and (np.diag(cosines) == 1).all()
    near = vectors.nearest("de", 2)
    others = [1, 2, 3]
    assert near[0][0] == CODES[max(others, key=lambda row: cosines[0, row])] and len(near) == 2
    assert vectors.nearest(means[0], 1)[0] == ("deu_Latn", pytest.approx(1))


def test_halves_add_up_and_what_is_of_another_model_is_refused(sentences: dict[str, np.ndarray]) -> None:
    whole = vectors_of(sentences)
    place = np.arange(40) % NUM_BLOCKS
    cuts = [slice(0, 13), slice(13, None)]
    halves = [
        vectors_of({c: s[cut] for c, s in sentences.items()}, blocks=dict.fromkeys(sentences, place[cut]))
        for cut in cuts
    ]
    both = LanguageVectors.merge(halves)
    assert both.matrix() == pytest.approx(whole.matrix(), abs=1e-12) and both.languages == CODES
    assert both.standard_errors() == pytest.approx(whole.standard_errors())
    assert both.blocks().counts.tolist() == whole.blocks().counts.tolist() and both.config == MODEL
    split = LanguageVectors.merge([whole.select(["rus_Cyrl"]), whole.select(["deu_Latn", "eng_Latn", "swh_Latn"])])
    assert split.languages == CODES and split.matrix() == pytest.approx(whole.matrix())
    for key in ("source", "revision", "tokenizer"):
        other = vectors_of(sentences, {**MODEL, key: "other"})
        with pytest.raises(ValueError, match=f"another {key} cannot be added.*other"):
            LanguageVectors.merge([whole, other])
    renamed = LanguageVectors(CODES, {"layer8-mean": whole.blocks()}, MODEL)
    with pytest.raises(ValueError, match="views differ"):
        LanguageVectors.merge([whole, renamed])


def test_a_model_is_known_by_its_revision_and_by_its_name_where_it_has_none(sentences: dict[str, np.ndarray]) -> None:
    here, there = (vectors_of(sentences, {**MODEL, "model": f"/{place}/mini"}) for place in "ab")
    both = LanguageVectors.merge([here, there])
    assert (both.counts() == 80).all() and both.config == here.config
    unknown = [vectors_of(sentences, {"source": "encoder", "model": f"/{place}/mini"}) for place in "ab"]
    with pytest.raises(ValueError, match="another model cannot be added: '/a/mini' and '/b/mini'"):
        LanguageVectors.merge(unknown)


def test_weights_that_were_drawn_anew_are_another_model(sentences: dict[str, np.ndarray]) -> None:
    sums = vectors_of(sentences).blocks()

    def controls(seed: int, view: str) -> LanguageVectors:
        return LanguageVectors(CODES, {view: sums}, {**MODEL, "source": "controls", "random_seed": seed})

    with pytest.raises(ValueError, match="another random_seed cannot be added: 1 and 2"):
        LanguageVectors.merge([controls(1, "random-layer4-mean"), controls(2, "random-layer4-mean")])
    # Letters are the same whatever the seed was.
    for seed, view in ((2, "characters"), (1, "random-layer4-mean")):
        assert (LanguageVectors.merge([controls(1, view), controls(seed, view)]).counts() == 80).all()


def test_the_standard_error_predicts_the_spread_of_means_of_gaussians() -> None:
    generator = np.random.default_rng(1)
    n, dimension, draws = 64, 8, 300
    centre, scale = generator.normal(size=dimension), generator.uniform(0.5, 2, size=dimension)
    told, missed = [], []
    for _ in range(draws):
        sample = centre + scale * generator.normal(size=(n, dimension))
        vectors = vectors_of({"deu_Latn": sample})
        told.append(vectors.standard_errors(relative=False)[0])
        missed.append(vectors.matrix(center=False)[0] - centre)
    spread = np.sqrt(np.mean(np.sum(np.square(missed), axis=1)))
    assert np.mean(told) == pytest.approx(spread, rel=0.05)
    assert np.mean(told) == pytest.approx(np.sqrt((scale**2).sum() / n), rel=0.02)


def test_the_bootstrap_spreads_as_the_standard_error_says_and_draws_filled_blocks_only() -> None:
    generator = np.random.default_rng(2)
    codes = ["deu_Latn", "eng_Latn", "rus_Cyrl"]
    vectors = vectors_of({code: generator.normal(size=(640, 6)) for code in codes})
    drawn = np.array([vectors.bootstrap(seed).matrix(center=False) for seed in range(200)])
    spread = np.sqrt(drawn.var(axis=0).sum(axis=1))
    # Drawn are 16 blocks with replacement, whose variance is smaller by the factor 15/16.
    assert spread == pytest.approx(vectors.standard_errors(relative=False) * np.sqrt(15 / 16), rel=0.3)
    assert (vectors.bootstrap(3).matrix() == vectors.bootstrap(3).matrix()).all()
    assert (vectors.bootstrap(3).matrix() != vectors.bootstrap(4).matrix()).any()
    without = vectors.select(["deu_Latn", "rus_Cyrl"]).bootstrap(3).matrix(center=False)
    assert (without == vectors.bootstrap(3).matrix(center=False)[[0, 2]]).all()
    few = vectors_of({"deu_Latn": np.ones((1, 3)), "eng_Latn": np.eye(3)[:2]})
    assert (few.bootstrap(0).matrix(center=False)[0] == 1).all() and np.isnan(few.standard_errors()[0])


def test_a_folder_gives_back_what_was_written_and_damage_is_named(
    sentences: dict[str, np.ndarray], tmp_path: Path
) -> None:
    some = vectors_of(sentences).select(["deu_Latn", "swh_Latn"])
    some.save(tmp_path)
    again = LanguageVectors.load(tmp_path)
    assert again.languages == some.languages and again.views == ["layer4-mean"] and again.config == MODEL
    assert (again.matrix() == some.matrix()).all() and (again.centre() == vectors_of(sentences).centre()).all()
    data = bytearray((tmp_path / "vectors.safetensors").read_bytes())
    data[-3] ^= 4
    (tmp_path / "vectors.safetensors").write_bytes(data)
    with pytest.raises(DamagedError, match="vectors.safetensors: its bytes are not those"):
        LanguageVectors.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="hf-mplm sprachbund vectors"):
        LanguageVectors.load(tmp_path / "none")
    (tmp_path / "vectors.json").write_text('{"format": "other"}')
    with pytest.raises(ValueError, match="holds no vectors of languages"):
        LanguageVectors.load(tmp_path)


def test_vectors_that_tell_nothing_are_errors_that_say_so(sentences: dict[str, np.ndarray]) -> None:
    same = vectors_of({code: np.ones((4, 3)) for code in CODES})
    for center in (True, False):
        with pytest.raises(ValueError, match="the same for all 4 languages.*layer 0"):
            same.cosine(center=center)
    one = vectors_of({"deu_Latn": sentences["deu_Latn"]})
    with pytest.raises(ValueError, match="one language, deu_Latn"):
        one.matrix()
    assert one.matrix(center=False).shape == (1, 5)
    broken = {**sentences, "eng_Latn": np.full((2, 5), np.nan)}
    with pytest.raises(ValueError, match="eng_Latn in layer4-mean are not finite"):
        vectors_of(broken)
    vectors = vectors_of(sentences)
    with pytest.raises(KeyError, match="no vector of fra_Latn"):
        vectors.nearest("fra_Latn")
    with pytest.raises(ValueError, match="no view 'layer9-mean'; there are layer4-mean"):
        vectors.matrix("layer9-mean")
    with pytest.raises(ValueError, match="no sentence of swh_Latn"):
        vectors_of({"deu_Latn": np.ones((1, 2)), "swh_Latn": np.ones((0, 2))})
    with pytest.raises(ValueError, match="deu_Latn stands twice"):
        LanguageVectors(["deu_Latn", "deu_Latn"], {"v": BlockSums.zeros(2, 3)})


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_is_the_same_each_time_and_keeps_planted_groups(method: str) -> None:
    generator = np.random.default_rng(3)
    means = np.repeat(np.eye(3) * 10, 5, axis=0)
    codes = [f"{letter}aa_Latn" for letter in "abcdefghijklmno"]
    vectors = vectors_of({code: mean + generator.normal(size=(20, 3)) for code, mean in zip(codes, means)})
    points = vectors.project(method, seed=1)  # type: ignore[arg-type]
    assert points.shape == (15, 2) and (points == vectors.project(method, seed=1)).all()  # type: ignore[arg-type]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(15)
    assert (distances.argmin(axis=1) // 5 == np.arange(15) // 5).all()
    with pytest.raises(ValueError, match="no projection 'mds'"):
        vectors.project("mds")  # type: ignore[arg-type]
