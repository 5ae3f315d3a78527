from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from hf_mplm.sprachbund import LanguageVectors
from hf_mplm.sprachbund.clusters.cluster import cluster_languages, pivot_of
from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds, read_clusters
from hf_mplm.sprachbund.clusters.tree import bootstrap_labels, build_tree, select_num_clusters
from hf_mplm.sprachbund.vectors.block_sums import BlockSums


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def codes_of(count: int) -> list[str]:
    """Codes of languages that are, in alphabetical order."""
    from hf_mplm.languages import list_codes

    return list(list_codes("udhr"))[:count]


def planted(
    groups: int,
    size: int = 8,
    *,
    common: float = 0.0,
    noise: float = 1.0,
    seed: int = 0,
    single: int = 0,
    stretched: tuple[int, ...] = (),
) -> tuple[LanguageVectors, np.ndarray]:
    """Languages around the centres of groups, all far from zero where `common` is large.

    The first `single` languages have one sentence; `stretched` ones lie farther out in the direction of their group.
    """
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(groups), size)
    codes, dimension = codes_of(len(truth)), 24
    centres = 4 * np.linalg.qr(generator.normal(size=(dimension, dimension)))[0][:groups]
    blocks = BlockSums.zeros(len(codes), dimension)
    for row, group in enumerate(truth):
        mean = (6 if row in stretched else 1) * (centres[group] + 0.2 * generator.normal(size=dimension)) + common
        count = 1 if row < single else 32
        blocks.add(row, np.arange(count) % 16, mean + noise * generator.normal(size=(count, dimension)))
    return LanguageVectors(codes, {"layer1-mean": blocks}, {"source": "encoder", "model": "m"}), truth


def labels_of(found: Sprachbunds, vectors: LanguageVectors) -> list[int]:
    return [found.cluster_of[code] for code in vectors.languages]


@pytest.mark.parametrize("linkage", ["average", "complete", "single", "ward"])
def test_the_tree_is_scipys(linkage: str) -> None:
    vectors, _ = planted(4)
    tree = build_tree(vectors, None, True, linkage)  # type: ignore[arg-type]
    if linkage == "ward":
        matrix = vectors.matrix()
        theirs = scipy_linkage(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), "ward")
    else:
        distances = np.maximum(1 - vectors.cosine(), 0)
        theirs = scipy_linkage(squareform(distances, checks=False), linkage)
    assert tree.merges[:, 2:] == pytest.approx(theirs[:, 2:])
    for number in (1, 2, 4, 7, 32):
        own = tree.cut(number)
        assert adjusted_rand_score(own, fcluster(theirs, number, "maxclust")) == 1 and own.max() == number - 1
        sizes = np.bincount(own)
        assert (np.diff(sizes) <= 0).all()
    assert sorted(tree.leaves()) == list(range(32))
    order = tree.cut(4)[tree.leaves()]
    assert (np.diff(order) != 0).sum() == 3, "a cluster must stand together among the leaves"


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_auto_finds_planted_groups(groups: int) -> None:
    vectors, truth = planted(groups)
    found, _ = cluster_languages(vectors)
    assert len(found.clusters) == groups
    assert adjusted_rand_score(truth, labels_of(found, vectors)) == 1
    best = next(row for row in found.selection if row.num_clusters == groups)
    assert best.stability == max(row.stability for row in found.selection if row.allowed)
    assert set(found.stability.values()) == {1.0}
    # Without groups no number is so stable.
    noise, _ = planted(1, size=8 * groups, noise=6.0)
    _, labels = bootstrap_labels(noise, None, True, "average", range(2, 7))
    rows = select_num_clusters(build_tree(noise, None, True, "average"), labels)
    assert max(row.stability for row in rows) < 0.7 < best.stability


def test_a_large_common_vector_hides_groups_until_it_is_taken_off(caplog: pytest.LogCaptureFixture) -> None:
    # Cosines of vectors that are mostly common tell how far out a language lies, and hardly in which direction.
    vectors, truth = planted(4, common=40.0, stretched=(1, 9, 17))
    assert vectors.cosine(center=False).min() > 0.9
    with caplog.at_level(logging.WARNING):
        centred, _ = cluster_languages(vectors, num_clusters=4)
        assert adjusted_rand_score(truth, labels_of(centred, vectors)) == 1 and not caplog.text
        raw, _ = cluster_languages(vectors, center=False, num_clusters=4)
    assert [len(cluster) for cluster in raw.clusters] == [29, 1, 1, 1]
    assert "4 clusters have 29, 1, 1, 1 languages: the largest has more than 60 %" in caplog.text
    found, _ = cluster_languages(vectors)
    assert len(found.clusters) == 4
    with pytest.raises(
        ValueError,
        match=r"no number of clusters keeps every cluster between 2 languages and 60%.*4: largest 91%, smallest 1",
    ):
        cluster_languages(vectors, center=False)


def test_the_pivot_is_the_largest_sum_of_cosines_with_the_others() -> None:
    cosines = np.array([[1.0, 0.9, 0.1, 0.5], [0.9, 1.0, 0.6, 0.0], [0.1, 0.6, 1.0, 0.0], [0.5, 0.0, 0.0, 1.0]])
    # 0: 0.9 + 0.1 + 0.5 = 1.5; 1: 0.9 + 0.6 = 1.5, the later code; 2: 0.7; 3: 0.5.
    assert pivot_of(cosines, np.arange(4)) == 0
    assert pivot_of(cosines, np.array([1, 2, 3])) == 1 and pivot_of(cosines, np.array([3])) == 3
    vectors, _ = planted(3)
    found, _ = cluster_languages(vectors, num_clusters=3)
    backwards, _ = cluster_languages(vectors.select(vectors.languages[::-1]), num_clusters=3)
    assert sorted(backwards.clusters) == sorted(found.clusters) and sorted(backwards.pivots) == sorted(found.pivots)
    for cluster, pivot in zip(found.clusters, found.pivots):
        sums = {
            code: sum(vectors.cosine()[vectors.row(code), vectors.row(other)] for other in cluster if other != code)
            for code in cluster
        }
        assert pivot == max(sums, key=lambda code: sums[code])
        code = cluster[0]
        own = [vectors.cosine()[vectors.row(code), vectors.row(other)] for other in cluster[1:]]
        assert found.cosines[code][found.cluster_of[code]] == pytest.approx(np.mean(own))


def test_controls_keep_sizes_or_follow_what_is_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vectors, truth = planted(3, size=6)
    plain, _ = cluster_languages(vectors, num_clusters=3)
    random, _ = cluster_languages(vectors, num_clusters=3, random=1)
    other, _ = cluster_languages(vectors, num_clusters=3, random=2)
    sizes = [len(cluster) for cluster in plain.clusters]
    assert sizes == [len(cluster) for cluster in random.clusters] and random.arm == "random"
    assert random.clusters != other.clusters and adjusted_rand_score(truth, labels_of(random, vectors)) < 0.5
    assert random.stability == {}
    script, _ = cluster_languages(vectors, by="script")
    assert all(len({code[4:] for code in cluster}) == 1 for cluster in script.clusters) and len(script.clusters) > 1
    family, _ = cluster_languages(vectors, by="family")
    assert family.arm == "family" and sum(map(len, family.clusters)) == 18
    branches, _ = cluster_languages(vectors, by="branch")
    assert len(branches.clusters) >= len(family.clusters)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"a": vectors.languages[:4], "b": [*vectors.languages[4:7], "zul_Latn"]}))
    given, _ = cluster_languages(vectors, clusters=read_clusters(path))
    assert given.clusters == [vectors.languages[:4], vectors.languages[4:7]] and given.arm == "file"
    assert given.left_out == vectors.languages[7:] and "have no vector: zul_Latn" in caplog.text
    plain.save(tmp_path)
    assert list(read_clusters(tmp_path / "sprachbunds.json").values()) == plain.clusters
    with pytest.raises(ValueError, match="one control"):
        cluster_languages(vectors, by="script", random=1)
    with pytest.raises(ValueError, match="none of the 1 languages"):
        cluster_languages(vectors, clusters={"a": ["zul_Latn"]})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    vectors, _ = planted(3)
    found, _ = cluster_languages(vectors, center=False)
    found.save(tmp_path)
    again = Sprachbunds.load(tmp_path)
    assert (again.clusters, again.pivots, again.stability) == (found.clusters, found.pivots, found.stability)
    assert again.selection == found.selection and again.settings == found.settings
    assert again.settings["center"] is False and again.settings["vectors"]["model"] == "m"
    with pytest.raises(FileNotFoundError, match="hf-mplm sprachbund cluster"):
        Sprachbunds.load(tmp_path / "none")


def test_one_sentence_is_clustered_but_takes_no_part_in_bootstraps() -> None:
    vectors, truth = planted(3, single=2, noise=0.3)
    found, _ = cluster_languages(vectors)
    assert adjusted_rand_score(truth, labels_of(found, vectors)) == 1
    assert [found.stability[code] for code in vectors.languages[:3]] == [None, None, 1.0]
    codes, labels = bootstrap_labels(vectors, None, True, "average", [3])
    assert codes == vectors.languages[2:] and labels[3].shape == (20, 22)
    alone, _ = planted(3, single=24, noise=0.1)
    with pytest.raises(ValueError, match="no bootstrap can be drawn.*give --num_clusters K"):
        cluster_languages(alone)
    assert len(cluster_languages(alone, num_clusters=3)[0].clusters) == 3


def test_what_cannot_be_clustered_is_said(tmp_path: Path) -> None:
    vectors, _ = planted(2, size=3)
    with pytest.raises(ValueError, match="7 clusters cannot be made of 6 languages"):
        cluster_languages(vectors, num_clusters=7)
    with pytest.raises(ValueError, match="no linkage 'centroid'"):
        cluster_languages(vectors, linkage="centroid")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there is one language, "):
        cluster_languages(vectors.select(vectors.languages[:1]), num_clusters=1)
    for text, message in (('{"a": 1}', "needed are clusters"), ('[["deu"], ["deu_Latn"]]', "deu_Latn is in two")):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_clusters(tmp_path / "x.json")
