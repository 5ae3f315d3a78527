from __future__ import annotations

import numpy as np
import pytest

from hf_mplm.report import plots
from hf_mplm.report.labels import MOST_GROUPS, REST, group_colours, label_points
from hf_mplm.report.language_plots import dendrogram, similarity_map


pytest.importorskip("matplotlib")


def overlaps(figure, texts) -> int:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    return sum(
        one.x0 < two.x1 and two.x0 < one.x1 and one.y0 < two.y1 and two.y0 < one.y1
        for number, one in enumerate(boxes)
        for two in boxes[number + 1 :]
    )


def test_labels_do_not_overlap_and_the_first_ones_are_there():
    points = np.random.default_rng(0).normal(size=(200, 2))
    names = [f"{number:03d}_Latn" for number in range(200)]
    order = [150, 3, *(row for row in range(200) if row not in (150, 3))]
    figure, axes = plots._figure(7.5, 5.2)
    axes.scatter(*points.T)
    axes.margins(0.12)
    labelled = label_points(figure, axes, points, names, order)
    assert labelled[:2] == [150, 3] and 30 < len(labelled) < 200
    assert sorted(text.get_text() for text in axes.texts) == sorted(names[row] for row in labelled)
    assert overlaps(figure, axes.texts) == 0
    for row, name in enumerate(names):
        axes.annotate(name, points[row], textcoords="offset points", xytext=(5, 3), fontsize=7.5)
    assert overlaps(figure, axes.texts) > 200


def test_few_languages_keep_all_their_labels():
    codes = [f"{letter}aa_Latn" for letter in "abcdefghij"]
    angles = np.arange(10) * np.pi / 5
    picture = plots.language_map(np.column_stack([np.cos(angles), np.sin(angles)]), codes, list("aabbccddee"))
    assert all(f"<!-- {code} -->".encode() in picture for code in codes)


def test_the_largest_groups_have_colours_and_the_rest_is_grey():
    groups = [name for number, name in enumerate("abcdefghijkl") for _ in range(20 - number)]
    colours = group_colours(groups)
    assert list(colours) == [*"abcdefgh", REST] and len(set(colours.values())) == MOST_GROUPS + 1
    assert REST not in group_colours(list("abcdefgh"))
    picture = plots.language_map(
        np.random.default_rng(0).normal(size=(len(groups), 2)), groups, groups, axes_names=("x", "y")
    )
    assert b"<!-- other -->" in picture and colours[REST].encode() in picture


def chain(count: int) -> np.ndarray:
    """The tree of single linkage at its deepest: one language joins after the other."""
    nodes = [0, *range(count, 2 * count - 2)]
    return np.array([[node, row + 1, row + 1.0, row + 2] for row, node in enumerate(nodes)])


def test_a_tree_is_drawn_however_deep_it_is():
    count = 1100
    codes = [f"c{number}" for number in range(count)]
    # The last to join stands at the bottom; every leaf's line must begin at its own place.
    picture = dendrogram(chain(count), codes, list(range(count)), ["a"] * count, xlabel="distance")
    assert picture.startswith(b"<?xml") and b"<!-- c0 -->" in picture
    small = dendrogram(chain(3), ["x", "y", "z"], [0, 1, 2], ["1", "1", "2"], xlabel="distance")
    assert all(f"<!-- {name} -->".encode() in small for name in "xyz")
    assert small == dendrogram(chain(3), ["x", "y", "z"], [0, 1, 2], ["1", "1", "2"], xlabel="distance")
    assert dendrogram(chain(3), list("xyz"), [0, 1, 2], list("112"), xlabel="d", file_format="png")[:4] == b"\x89PNG"


@pytest.mark.parametrize("count", [3, 120])
def test_similarities_name_languages_where_there_is_room_and_clusters_elsewhere(count):
    cosines = np.where(np.arange(count)[:, None] // 2 == np.arange(count) // 2, 0.5, -0.2)
    np.fill_diagonal(cosines, 1)
    groups = ["one"] * (count // 2) + ["two"] * (count - count // 2)
    codes = [f"c{number}" for number in range(count)]
    picture = similarity_map(cosines, codes, groups)
    assert (b"<!-- c0 -->" in picture) == (count == 3) and (b"<!-- two -->" in picture) == (count == 120)
    assert similarity_map(np.full((2, 2), 0.99), ["a", "b"], ["1", "1"], file_format="png").startswith(b"\x89PNG")
