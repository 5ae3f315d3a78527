"""`hf-mplm sprachbund train`: whether clusters, vectors and the start belong together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from hf_mplm.sprachbund import LanguageVectors, Sprachbunds

    from .sprachbund_train import TrainArguments


def check_clusters(clusters: Sprachbunds, vectors: LanguageVectors, arguments: TrainArguments) -> None:
    """Refuse vectors of another space than those that the clusters were found by.

    Args:
        clusters (`Sprachbunds`): of `--clusters`. Those of a file, of families or scripts were found by no vectors.
        vectors (`LanguageVectors`): of `--vectors`.
        arguments (`TrainArguments`): what was typed.

    Raises:
        ValueError: naming both, and what to type.
    """
    from hf_mplm.sprachbund.vectors.space import describe_space, named_space, space_difference

    then = clusters.settings.get("vectors") or {}
    view = clusters.settings.get("view")
    now = describe_space(vectors.config, vectors.views if view is None else [view])
    # What does not say what it was made of, is taken at its word.
    if clusters.arm not in ("cluster", "random") or not (then.get("source") and now["source"]):
        return
    if key := space_difference(then, now):
        raise ValueError(
            f"--clusters {arguments.clusters} and --vectors {arguments.vectors} are of another {key}: "
            f"{named_space(then)} and {named_space(now)}. Give the vectors that the clusters were made of, or cluster "
            f"these: hf-mplm sprachbund cluster {arguments.vectors} --output NEW_CLUSTERS"
        )


def check_vectors(vectors: LanguageVectors, base: Mapping[str, Any], arguments: TrainArguments) -> None:
    """Refuse the vectors of an encoder that is not the start.

    Args:
        vectors (`LanguageVectors`): of `--vectors`. Those of another source serve for pivots, whatever the start is.
        base (`Mapping[str, Any]`): the start.
        arguments (`TrainArguments`): what was typed.

    Raises:
        ValueError: naming both, and what to type.
    """
    from hf_mplm.sprachbund.vectors.space import describe_space, named_space, space_difference

    space = describe_space(vectors.config, vectors.views)
    start = {**base, "source": "encoder", "model": arguments.model}
    if space["source"] == "encoder" and (key := space_difference(space, start)):
        raise ValueError(
            f"--vectors {arguments.vectors} and --model {arguments.model} are of another {key}: {named_space(space)} "
            f"and {named_space(start)}. Give the model that the vectors are of, or make vectors and clusters of this "
            f"one: hf-mplm sprachbund vectors --model {arguments.model} --corpus TEXT --output NEW_VECTORS"
        )


def label_without_place(vectors: LanguageVectors, base: Mapping[str, Any]) -> dict[str, str]:
    """What a collection, which is made to be handed on, calls the model of its vectors: its name, not where it lies.

    Args:
        vectors (`LanguageVectors`): of the start, or of another source, which keeps its own name.
        base (`Mapping[str, Any]`): the start.
    """
    if vectors.config.get("source") == "encoder":
        return {"model": str(base["name"])}
    given = str(vectors.config.get("model") or "")
    is_place = Path(given).is_absolute() or Path(given).exists()
    return {"model": Path(given).resolve().name if is_place else given} if given else {}
