"""`hf-mplm sprachbund cluster`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mplm.report.table import text_table


if TYPE_CHECKING:
    import numpy as np

    from hf_mplm.report.page import Page
    from hf_mplm.sprachbund import LanguageVectors
    from hf_mplm.sprachbund.clusters.sprachbunds import Sprachbunds
    from hf_mplm.sprachbund.clusters.tree import Tree
    from hf_mplm.sprachbund.vectors.projection import Projection

logger = logging.getLogger(__name__)

PAGE_FILE = "map.html"
_SHOWN = 12
_PROJECTIONS: dict[Projection, str] = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}


@dataclass
class ClusterArguments:
    """Flags of `hf-mplm sprachbund cluster`; `cluster_languages` explains them at length."""

    vectors: str = field(metadata={"help": "folder of vectors that `hf-mplm sprachbund vectors` wrote"})
    output: str = field(metadata={"help": "folder for sprachbunds.json and the pictures"})
    layer: str | None = field(
        default=None, metadata={"help": "which view: the layer, a number, third or last; third among several"}
    )
    pooling: Literal["mean", "cls"] | None = field(
        default=None, metadata={"help": "which view: its pooling; mean among several"}
    )
    view: str | None = field(
        default=None, metadata={"help": "which view by its name, such as characters, instead of layer and pooling"}
    )
    center: bool = field(
        default=True, metadata={"help": "take the mean over the languages off, which the paper does not"}
    )
    linkage: Literal["average", "complete", "single", "ward"] = field(
        default="average", metadata={"help": "of 1 - cosine; ward on unit vectors"}
    )
    num_clusters: str = field(
        default="auto", metadata={"help": "a number; auto takes the one from 2 to 16 that bootstraps agree on best"}
    )
    max_share: float = field(default=0.6, metadata={"help": "most of the languages in one cluster, as a share"})
    min_size: int = field(default=2, metadata={"help": "fewest languages of a cluster"})
    num_bootstraps: int = field(default=20, metadata={"help": "bootstraps, of blocks of each language's sentences"})
    seed: int = field(default=42, metadata={"help": "of the bootstraps and of t-SNE"})
    random: int | None = field(
        default=None, metadata={"help": "a control: clusters of the same sizes, languages drawn by this seed"}
    )
    by: Literal["family", "branch", "script"] | None = field(
        default=None, metadata={"help": "a control: one cluster for each of these"}
    )
    from_json: str | None = field(
        default=None, metadata={"help": "clusters of a file: a sprachbunds.json, or {name: [codes]}"}
    )
    projection: Literal["tsne", "pca", "umap"] = field(default="tsne", metadata={"help": "of the map"})


def run(arguments: ClusterArguments) -> int:
    """Cluster, print the clusters and draw them."""
    from hf_mplm.jobs.digests import write_digests
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.sprachbund import LanguageVectors
    from hf_mplm.sprachbund.clusters.cluster import cluster_languages
    from hf_mplm.sprachbund.clusters.sprachbunds import SPRACHBUNDS_FILE, read_clusters

    vectors = LanguageVectors.load(arguments.vectors)
    view = choose_view(vectors, arguments)
    found, tree = cluster_languages(
        vectors,
        view=view,
        center=arguments.center,
        linkage=arguments.linkage,
        num_clusters=_number(arguments.num_clusters),
        max_share=arguments.max_share,
        min_size=arguments.min_size,
        num_bootstraps=arguments.num_bootstraps,
        seed=arguments.seed,
        random=arguments.random,
        by=arguments.by,
        clusters=None if arguments.from_json is None else read_clusters(arguments.from_json),
    )
    output = Path(arguments.output)
    if output.exists() and any(output.iterdir()) and not (output / SPRACHBUNDS_FILE).is_file():
        raise ValueError(f"{output} exists and holds no clusters, so it is not replaced; give another --output")
    with hold_folder(output, "hf-mplm sprachbund cluster"):
        found.save(output)
        layouts = lay_out(vectors, view, arguments)
        drawn = draw(found, tree, vectors, view, arguments, layouts, output)
        make_page(found, vectors, view, arguments, layouts).write(output / PAGE_FILE)
        write_digests(output, [SPRACHBUNDS_FILE, PAGE_FILE, *drawn])
    print("\n".join(summary(found)))
    print(f"\n{len(found.clusters)} clusters of {len(found.cluster_of)} languages, by {view}, are in {output}")
    return 0


def choose_view(vectors: LanguageVectors, arguments: ClusterArguments) -> str:
    """The view that the flags name; the only one where they name no other.

    Raises:
        ValueError: if there is no such view.
    """
    from hf_mplm.sprachbund.vectors.sources import resolve_layers

    if arguments.view is not None:
        if arguments.view not in vectors.views:
            raise ValueError(f"there is no view {arguments.view!r}; there are {', '.join(vectors.views)}")
        return arguments.view
    layer, pooling = arguments.layer or "third", arguments.pooling or "mean"
    depth = vectors.config.get("depth")
    (number,) = resolve_layers([layer], depth if isinstance(depth, int) else 0)
    name = f"layer{number}-{pooling}"
    if name in vectors.views:
        return name
    if len(vectors.views) == 1:
        # What was not given is whatever the only view has.
        begins = "" if arguments.layer is None else f"layer{number}-"
        ends = "" if arguments.pooling is None else f"-{pooling}"
        if vectors.views[0].startswith(begins) and vectors.views[0].endswith(ends):
            return vectors.views[0]
    raise ValueError(
        f"there is no view {name}, which --layer {layer} --pooling {pooling} names; give --view with one of "
        f"{', '.join(vectors.views)}"
    )


def summary(found: Sprachbunds) -> list[str]:
    """The numbers of clusters that were looked at, and the clusters.

    Args:
        found (`Sprachbunds`): the clusters.
    """
    lines = []
    if len(found.selection) > 1:
        lines.append("Clusters by their number; stability is the mean adjusted Rand index of pairs of bootstraps")
        rows = [("clusters", "stability", "largest", "smallest", "within bounds")]
        for row in found.selection:
            shown = (f"{row.stability:.3f}", f"{row.largest_share:.0%}", str(row.smallest))
            rows.append((str(row.num_clusters), *shown, "yes" if row.allowed else "no"))
        lines += [*text_table(rows), ""]
    rows = [("cluster", "languages", "pivot", "stays with pivot", "the first of them")]
    for number, (codes, pivot) in enumerate(zip(found.clusters, found.pivots), start=1):
        known = [share for code in codes if (share := found.stability.get(code)) is not None]
        stays = f"{sum(known) / len(known):.2f}" if known else "unknown"
        more = " ..." if len(codes) > _SHOWN else ""
        rows.append((str(number), str(len(codes)), pivot, stays, " ".join(codes[:_SHOWN]) + more))
    lines += text_table(rows)
    if found.left_out:
        lines.append(f"In no cluster: {len(found.left_out)} languages")
    return lines


def lay_out(vectors: LanguageVectors, view: str, arguments: ClusterArguments) -> dict[str, np.ndarray]:
    """Where the languages may stand on a map, the projection that was asked for first."""
    import numpy as np

    from hf_mplm.languages import coordinates

    layouts = {}
    if len(vectors.languages) > 2:
        for method in dict.fromkeys((arguments.projection, "tsne", "pca")):
            layouts[_PROJECTIONS[method]] = vectors.project(
                method, view=view, center=arguments.center, seed=arguments.seed
            )
    places = [coordinates(code) or (np.nan, np.nan) for code in vectors.languages]
    layouts["longitude and latitude"] = np.array([(east, north) for north, east in places])
    return layouts


def make_page(
    found: Sprachbunds,
    vectors: LanguageVectors,
    view: str,
    arguments: ClusterArguments,
    layouts: Mapping[str, np.ndarray],
) -> Page:
    """The map of the languages as a page: by cluster, family, script and the like, at several places.

    Args:
        found (`Sprachbunds`): the clusters.
        vectors (`LanguageVectors`): the languages.
        view (`str`): the view that was clustered.
        arguments ([`ClusterArguments`]): the flags.
        layouts (`Mapping[str, np.ndarray]`): where they may stand. Shapes: (languages, 2).
    """
    from hf_mplm.languages import branch, family_name, language_name, parse_code, resource
    from hf_mplm.report.language_page import language_page
    from hf_mplm.sprachbund.linguistics.word_order import WORD_ORDERS, word_order

    codes = vectors.languages
    groups: dict[str, list[str | None]] = {"cluster": [_name(found, code) for code in codes]}
    groups["family"] = [family_name(code) for code in codes]
    groups["branch"] = [branch(code) for code in codes]
    groups["script"] = [parse_code(code).script for code in codes]
    groups["head or tail"] = [resource(code) for code in codes]
    groups.update({feature: word_order(codes, feature) for feature in WORD_ORDERS})
    page = language_page(
        f"{len(found.clusters)} clusters of {len(codes)} languages",
        codes,
        [language_name(code) for code in codes],
        groups=groups,
        layouts=layouts,
        cosines=vectors.cosine(view, arguments.center),
        errors=vectors.standard_errors(view),
        first=found.pivots,
    )
    made_of = ", ".join(f"{key} `{value}`" for key, value in found.settings["vectors"].items() if value)
    page.paragraph(f"View `{view}`, {'centred' if arguments.center else 'not centred'}; {made_of}.")
    page.heading("Clusters")
    page.table(
        ["cluster", "languages", "pivot"],
        [[str(number), len(own), pivot] for number, (own, pivot) in enumerate(zip(found.clusters, found.pivots), 1)],
    )
    return page


def draw(
    found: Sprachbunds,
    tree: Tree,
    vectors: LanguageVectors,
    view: str,
    arguments: ClusterArguments,
    layouts: Mapping[str, np.ndarray],
    output: Path,
) -> list[str]:
    """Draw tree, map and similarities, each as SVG and PNG; returns the names of the files."""
    from hf_mplm.jobs.files import atomic_write
    from hf_mplm.report.language_plots import dendrogram, similarity_map
    from hf_mplm.report.plots import language_map, missing

    if why := missing():
        logger.warning("no pictures are drawn: %s", why)
        return []
    codes = vectors.languages
    groups = [_name(found, code) for code in codes]
    order = tree.leaves()
    cosines = vectors.cosine(view, arguments.center)
    by_cluster = sorted(order, key=lambda row: found.cluster_of.get(codes[row], len(found.clusters)))
    files = []
    for kind in ("svg", "png"):
        pictures: dict[str, bytes] = {
            "dendrogram": dendrogram(
                tree.merges,
                codes,
                order,
                groups,
                xlabel=f"{arguments.linkage} linkage" + ("" if arguments.linkage == "ward" else " of 1 - cosine"),
                file_format=kind,  # type: ignore[arg-type]
            ),
            "similarities": similarity_map(
                cosines[_grid(by_cluster)],
                [codes[row] for row in by_cluster],
                [groups[row] for row in by_cluster],
                label="cosine, centred" if arguments.center else "cosine",
                file_format=kind,  # type: ignore[arg-type]
            ),
        }
        if len(codes) > 2:
            name = _PROJECTIONS[arguments.projection]
            pictures["map"] = language_map(
                layouts[name],
                codes,
                groups,
                axes_names=(f"{name} 1", f"{name} 2"),
                first=found.pivots,
                file_format=kind,  # type: ignore[arg-type]
            )
        for name, picture in pictures.items():
            with atomic_write(output / f"{name}.{kind}") as handle:
                handle.write(picture)
            files.append(f"{name}.{kind}")
    return files


def _grid(rows: list[int]) -> tuple[np.ndarray, ...]:
    import numpy as np

    return np.ix_(rows, rows)


def _name(found: Sprachbunds, code: str) -> str:
    number = found.cluster_of.get(code)
    return "in no cluster" if number is None else f"{number + 1} {found.pivots[number]}"


def _number(text: str) -> Any:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--num_clusters {text}: needed is a number or auto") from None
