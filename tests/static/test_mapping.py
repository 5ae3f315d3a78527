from __future__ import annotations

import pytest
import torch

from hf_mplm.static.mapping import (
    METHODS,
    apply_map,
    fit_mapping,
    fit_multi_step,
    fit_orthogonal,
    normalise_vectors,
)
from hf_mplm.static.neighbours import Similarities
from hf_mplm.static.self_learning import SelfLearning, initial_pairs, self_learn


def make_words(n: int, width: int, seed: int = 0) -> torch.Tensor:
    """Vectors of unequal variances, as words have them: a rotation can be told from its similarities."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator) * torch.linspace(2, 0.3, width) + 0.4


def rotation(width: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0].to(torch.float32)


def test_normalised_vectors_have_unit_length_and_nearly_no_mean() -> None:
    normal = normalise_vectors(make_words(500, 20))
    assert torch.allclose(normal.norm(dim=1), torch.ones(500), atol=1e-6)
    assert normal.mean(dim=0).norm() < 0.05 < make_words(500, 20).mean(dim=0).norm()
    assert not normalise_vectors(torch.zeros(1, 4)).isnan().any()


def test_a_planted_rotation_is_found() -> None:
    words, planted = normalise_vectors(make_words(300, 24)), rotation(24)
    found = fit_orthogonal(words[:100], words[:100] @ planted)
    assert (found - planted).abs().max() < 1e-5
    assert (fit_orthogonal(words[:100], (words @ planted)[100:200]) - planted).abs().max() > 0.1


def test_pairs_in_blocks_are_the_rows_that_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = (normalise_vectors(make_words(80, 12, seed)) for seed in (0, 1))
    order = torch.randperm(80, generator=torch.Generator().manual_seed(2))
    pairs = torch.stack([order, order.roll(1)], dim=1)
    whole = [fit_mapping(source[pairs[:, 0]], target[pairs[:, 1]], method) for method in METHODS]
    monkeypatch.setattr("hf_mplm.static.mapping._ROWS", 7)
    for method, expected in zip(METHODS, whole):
        found = fit_mapping(source, target, method, pairs)
        assert torch.allclose(found.source, expected.source, atol=1e-6)
        assert not torch.allclose(fit_mapping(source, target, method).source, expected.source, atol=0.1)
    # So are normalised vectors, written in place or not.
    vectors = make_words(80, 12)
    again = normalise_vectors(vectors)
    assert torch.allclose(again, source, atol=1e-6) and (vectors == make_words(80, 12)).all()
    assert normalise_vectors(vectors, in_place=True) is vectors and (vectors == again).all()
    assert torch.allclose(apply_map(vectors, whole[0].source, in_place=True), again @ whole[0].source, atol=1e-6)


def test_multi_step_equals_its_equations_in_float64() -> None:
    source, target = (normalise_vectors(make_words(200, 12, seed)).double() for seed in (0, 1))

    def root(matrix: torch.Tensor, power: float) -> torch.Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values**power) @ vectors.T

    wx, wz = root(source.T @ source, -0.5), root(target.T @ target, -0.5)
    u, s, vt = torch.linalg.svd(wx @ source.T @ target @ wz)
    expected = wx @ u @ torch.diag(s**0.5) @ u.T @ torch.linalg.inv(wx) @ u
    found = fit_multi_step(source, target)
    assert (found.source - expected).abs().max() < 1e-6
    expected = wz @ vt.T @ torch.diag(s**0.5) @ vt @ torch.linalg.inv(wz) @ vt.T
    assert (found.target - expected).abs().max() < 1e-6
    assert fit_multi_step(source, target, dimensions=5).source.shape == (12, 5)


def test_multi_step_brings_pairs_together() -> None:
    words, planted = normalise_vectors(make_words(300, 12)), rotation(12)
    noisy = words @ planted + 0.05 * torch.randn(300, 12, generator=torch.Generator().manual_seed(3))
    for method in ("orthogonal", "multi-step"):
        mapping = fit_mapping(words[:200], noisy[:200], method)
        target = noisy if mapping.target is None else noisy @ mapping.target
        cosine = torch.nn.functional.cosine_similarity(words[200:] @ mapping.source, target[200:])
        assert cosine.mean() > 0.97, method


def test_too_few_pairs_are_refused_with_the_way_out() -> None:
    words = normalise_vectors(make_words(30, 40))
    with pytest.raises(ValueError, match="40 dimensions needs at least as many pairs, and there are 30.*--ridge"):
        fit_multi_step(words, words)
    assert torch.isfinite(fit_multi_step(words, words, ridge=0.01).source).all()
    with pytest.raises(ValueError, match="do not span all dimensions"):
        fit_multi_step(words[:10].repeat(5, 1), words[:10].repeat(5, 1))
    with pytest.raises(ValueError, match="--dimensions 41 of vectors of 40"):
        fit_multi_step(words, words, ridge=0.01, dimensions=41)
    with pytest.raises(ValueError, match="there is none"):
        fit_orthogonal(words[:0], words[:0])
    with pytest.raises(ValueError, match="orthogonal, multi-step"):
        fit_mapping(words, words, "affine")


@pytest.mark.parametrize("neighbours", [0, 3, 100])
def test_blocks_equal_the_dense_computation(monkeypatch: pytest.MonkeyPatch, neighbours: int) -> None:
    source, target = normalise_vectors(make_words(77, 8)), normalise_vectors(make_words(47, 8, 5))
    cosines = source @ target.T
    penalty = [cosines.topk(min(neighbours, n), dim=dim).values.mean(dim) for n, dim in ((47, 1), (77, 0))]
    score = 2 * cosines - (penalty[0][:, None] + penalty[1] if neighbours else 0)
    monkeypatch.setattr("hf_mplm.static.neighbours._CPU_BLOCK", 47 * 32)
    similarities = Similarities(source, target, neighbours)
    assert similarities.step == 32
    if neighbours:
        assert (similarities.source_penalty - penalty[0]).abs().max() < 1e-6
        assert (similarities.target_penalty - penalty[1]).abs().max() < 2e-5
    found = similarities.match()
    rows, columns = torch.arange(77), torch.arange(47)
    assert torch.allclose(score[rows, found.forward], score.max(1).values, atol=7e-5)
    assert torch.allclose(score[found.backward, columns], score.max(0).values, atol=7e-5)
    assert similarities.objective == pytest.approx(
        float(torch.cat([cosines.amax(1), cosines.amax(0)]).mean()), abs=1e-6
    )
    mutual = similarities.mutual()
    expected = [(i, int(score[i].argmax())) for i in range(77) if score[:, score[i].argmax()].argmax() == i]
    assert [tuple(pair) for pair in mutual.pairs.tolist()] == expected
    assert torch.allclose(mutual.scores, score[mutual.pairs[:, 0], mutual.pairs[:, 1]], atol=1e-4)
    # In the memory of before, other vectors give what they give alone.
    similarities.update(target[:1].repeat(77, 1))
    again = Similarities(target[:1].repeat(77, 1), target, neighbours)
    assert similarities.objective == again.objective != pytest.approx(float(cosines.amax(1).mean()), abs=0.01)
    assert (similarities.match().backward == again.match().backward).all()


def test_chance_keeps_the_share_that_it_is_told() -> None:
    # The cosines of a row fall from left to right: the place of the best one that is kept says what was left out.
    angles = torch.linspace(0, 1, 400, dtype=torch.float64)
    target = torch.stack([angles.cos(), angles.sin()], dim=1).float()
    similarities = Similarities(target[:1].repeat(5000, 1), target, 0)
    for keep in (0.1, 0.4):
        generator = torch.Generator().manual_seed(3)
        forward = similarities.match(keep, generator).forward
        share = round(keep * 256) / 256
        for place in (0, 1, 4):
            expected = share * (1 - share) ** place
            assert float((forward == place).float().mean()) == pytest.approx(expected, abs=0.02)
        assert (forward == similarities.match(keep, torch.Generator().manual_seed(3)).forward).all()
        assert not (forward == similarities.match(keep, generator).forward).all()
    # Where chance keeps nothing there is no pair, rather than a wrong one.
    few = Similarities(target[:200], target[:3], 0).match(0.1, torch.Generator().manual_seed(1))
    assert set(few.forward.tolist()) == {-1, 0, 1, 2} and 0.6 < float((few.forward < 0).float().mean()) < 0.85
    assert (similarities.match().forward == 0).all()


def test_a_planted_permutation_is_found_without_any_dictionary() -> None:
    words, planted = make_words(800, 30), rotation(30)
    order = torch.randperm(800, generator=torch.Generator().manual_seed(7))
    noise = 0.3 * torch.randn(800, 30, generator=torch.Generator().manual_seed(8))
    source = normalise_vectors(words)
    target = normalise_vectors((words @ planted + noise)[order])
    truth = torch.argsort(order)
    settings = SelfLearning(patience=5)
    start = initial_pairs(source, target, settings)
    before = (truth[start[:800, 0]] == start[:800, 1]).float().mean()
    end = self_learn(source, target, start, settings).pairs
    after = (truth[end[:800, 0]] == end[:800, 1]).float().mean()
    assert after > 0.97 > before > 0.2
    # Without the start that similarities give, nothing is found.
    blind = torch.stack([torch.arange(800), torch.randperm(800, generator=torch.Generator().manual_seed(9))], dim=1)
    lost = self_learn(source, target, blind, settings).pairs
    assert (truth[lost[:800, 0]] == lost[:800, 1]).float().mean() < 0.1


def test_chance_is_that_of_the_seed() -> None:
    source = normalise_vectors(make_words(120, 8))
    target = normalise_vectors(source @ rotation(8) + 0.2 * make_words(120, 8, 6))
    pairs = torch.arange(8)[:, None].expand(-1, 2)

    def learn(seed: int) -> list[list[int]]:
        settings = SelfLearning(patience=2, seed=seed)
        result = self_learn(source, target, pairs, settings)
        return [*result.pairs.tolist(), [result.iterations, 0]]

    assert learn(1) == learn(1)
    assert len({str(learn(seed)) for seed in (1, 2, 3)}) > 1
    # Of four words chance often keeps no pair at all.
    few = self_learn(source[:4], target[:4], pairs[:4], SelfLearning(patience=2, csls_neighbours=1))
    assert len(few.pairs) == 8
