"""`hf-mplm sprachbund analyse`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from hf_mplm.sprachbund import LanguageVectors

logger = logging.getLogger(__name__)

_TABLE_1 = "table1"


@dataclass
class AnalyseArguments:
    """Flags of `hf-mplm sprachbund analyse`."""

    folders: list[str] = field(
        metadata={
            "help": "folders of `sprachbund vectors` and `sprachbund cluster`: all their views, controls and clusters "
            "stand side by side",
            "metavar": "DIR",
        }
    )
    output: str | None = field(
        default=None, metadata={"help": "folder of the analysis; the folder `analysis` in the first DIR by default"}
    )
    clusters: list[str] | None = field(
        default=None, metadata={"help": "further clusters: JSON files, as {name: [codes]}"}
    )
    against: list[str] | None = field(
        default=None,
        metadata={"help": "divisions that clusters are compared with: table1 (the paper's) or JSON files"},
    )
    views: list[str] | None = field(default=None, metadata={"help": "views to analyse; all by default"})
    depth: int = field(default=3, metadata={"help": "where lineages are cut into branches; 1 is the family"})
    permutations: int = field(default=999, metadata={"help": "permutations of languages, for correlations"})
    label_permutations: int = field(default=1000, metadata={"help": "permutations of labels, for clusters"})
    seed: int = field(default=0, metadata={"help": "of the permutations and the maps"})
    map_view: str | None = field(
        default=None, metadata={"help": "the view that the maps show; the first one by default"}
    )


def run(arguments: AnalyseArguments) -> int:
    """Analyse; see [`AnalyseArguments`]."""
    from hf_mplm.jobs.digests import write_digests
    from hf_mplm.jobs.files import atomic_write
    from hf_mplm.jobs.lock import hold_folder
    from hf_mplm.report.sprachbund_analysis import analysis_markdown, analysis_page
    from hf_mplm.sprachbund.linguistics.analysis import analyse
    from hf_mplm.sprachbund.linguistics.gathering import gather_vectors, paths_of_vectors

    if arguments.permutations < 1 or arguments.label_permutations < 1:
        raise ValueError("--permutations and --label_permutations must be 1 or more")
    clusters = _clusters(arguments.folders, arguments.clusters or [])
    places = [place for folder in arguments.folders for place in paths_of_vectors(folder)]
    for folder in arguments.folders:
        if not paths_of_vectors(folder) and str(folder) not in clusters:
            raise ValueError(
                f"{folder} holds neither vectors nor clusters; make them with: hf-mplm sprachbund vectors, and cluster"
            )
    vectors, lost = gather_vectors(places)
    if arguments.map_view is not None:
        vectors.blocks(arguments.map_view)  # refused here rather than after the permutations
    for place, codes in lost.items():
        if codes:
            logger.warning("%d languages of %s are not in all folders: %s", len(codes), place, ", ".join(codes[:10]))
    analysis = analyse(
        vectors,
        clusters,
        against={name: _division(name) for name in arguments.against or []},
        views=arguments.views,
        depth=arguments.depth,
        permutations=arguments.permutations,
        label_permutations=arguments.label_permutations,
        seed=arguments.seed,
    )
    for view, why in analysis.left_out.items():
        logger.warning("the view %s is left out: %s", view, why)
    title = f"{len(vectors.languages)} languages: {', '.join(Path(folder).name for folder in arguments.folders)}"
    output = Path(arguments.output) if arguments.output is not None else Path(arguments.folders[0]) / "analysis"
    markdown = analysis_markdown(analysis, title)
    view = arguments.map_view or next(iter(dict.fromkeys(finding.view for finding in analysis.findings)))
    page = analysis_page(analysis, title, _maps(vectors, view, arguments.seed)).html()
    known = {"vectors": [str(place) for place in places], "config": vectors.config, "lost": lost}
    with hold_folder(output, "hf-mplm sprachbund analyse"):
        analysis.write(output / "analysis.parquet", known)
        for name, text in {"analysis.md": markdown, "analysis.html": page}.items():
            with atomic_write(output / name) as file:
                # A name from a foreign file may hold a lone surrogate, which no file can.
                file.write(text.encode("utf-8", errors="backslashreplace"))
        write_digests(output, ["analysis.parquet", "analysis.md", "analysis.html"])
    print(markdown)
    print(f"wrote {output / 'analysis.parquet'}, analysis.md and analysis.html")
    return 0


def _clusters(folders: Sequence[str], files: Sequence[str]) -> dict[str, dict[str, str]]:
    """Sets of clusters by where they stand: code to cluster."""
    from hf_mplm.jobs.digests import refuse_damage
    from hf_mplm.sprachbund.clusters.sprachbunds import SPRACHBUNDS_FILE

    found = {folder: Path(folder) / SPRACHBUNDS_FILE for folder in folders}
    for folder, path in found.items():
        if path.is_file():
            refuse_damage(Path(folder), "Make it again.", SPRACHBUNDS_FILE)
    paths = {**{name: path for name, path in found.items() if path.is_file()}, **{file: Path(file) for file in files}}
    return {name: _read(path) for name, path in paths.items()}


def _division(name: str) -> dict[str, str]:
    if name.lower() == _TABLE_1:
        from hf_mplm.sprachbund.linguistics.paper_tables import paper_clusters

        return paper_clusters()
    return _read(Path(name))


def _read(path: Path) -> dict[str, str]:
    from hf_mplm.sprachbund.clusters.sprachbunds import read_clusters

    return {code: name for name, codes in read_clusters(path).items() for code in codes}


def _maps(vectors: LanguageVectors, view: str, seed: int) -> Mapping[str, bytes]:
    """The languages of a view, coloured by each of the paper's features of word order (Figure 3)."""
    from hf_mplm.report import plots
    from hf_mplm.sprachbund.linguistics.word_order import WORD_ORDERS, word_order

    if why := plots.missing():
        logger.warning("analysis.html has the tables and no pictures: %s", why)
        return {}
    places = vectors.project("tsne", view=view, seed=seed)
    figures = {}
    for feature in WORD_ORDERS:
        classes = word_order(vectors.languages, feature)
        rows = [row for row, name in enumerate(classes) if name is not None]
        if rows:
            codes, groups = zip(*((vectors.languages[row], str(classes[row])) for row in rows))
            caption = f"The {len(rows)} languages whose {feature} URIEL knows, by t-SNE of the view {view}, centred."
            figures[caption] = plots.language_map(places[rows], codes, groups, axes_names=("t-SNE 1", "t-SNE 2"))
    return figures
