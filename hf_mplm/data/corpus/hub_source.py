"""Datasets on the Hub, streamed: a configuration per language, or a column that names it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .options import ReadOptions
from .parquet import label_name, need_column
from .quoting import list_some, shorten
from .resolver import CodeResolver, has_script
from .segments import Places, Segment, SourceFile


if TYPE_CHECKING:
    from datasets import IterableDataset

__all__ = ["discover_hub", "hub_revision", "hub_rows"]

logger = logging.getLogger(__name__)


def discover_hub(source: str, options: ReadOptions) -> list[SourceFile]:
    """The configurations of a Hub dataset that are to be read.

    A configuration whose name is a code (`swh_Latn`, as FineWeb2 and Glot500-c have them) is read as that language;
    where there are such configurations, the others are left alone.

    Args:
        source (`str`): `OWNER/NAME`.
        options (`ReadOptions`): how it is read.

    Raises:
        FileNotFoundError: if the Hub cannot be asked or has no such dataset.
        ValueError: if there are several configurations and none is named by its language.
    """
    from datasets import get_dataset_config_names

    try:
        configs = get_dataset_config_names(source, revision=options.revision)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"{source}: there is no such folder or file here, and read as the id of a dataset on the Hub it gives: "
            f"{error}. Give the path of a folder, or check the id at https://huggingface.co/datasets/{source}"
        ) from error
    resolver = CodeResolver(options)
    named: dict[str, str | None] = {}
    for config in configs:
        if has_script(config):
            try:
                named[config] = resolver.parse(config)
            except ValueError:
                logger.debug("%s: configuration %s is not named by a language", source, config)
    if not named:
        if len(configs) > 1:
            raise ValueError(
                f"{source}: it has {len(configs)} configurations ({list_some(configs)}), none of which is named by a "
                "language code such as swh_Latn. Save the one you need with `datasets` as Parquet, and give its folder"
            )
        named = {configs[0]: None}
    elif len(named) < len(configs):
        logger.info("%s: %d of %d configurations are named by a language", source, len(named), len(configs))
    wanted = {config: code for config, code in named.items() if code is None or resolver.wants(code)}
    files = []
    for config, code in sorted(wanted.items()):
        shards = _open(source, config, options).num_shards
        files.append(SourceFile("hub", source, f"{source}/{config}", shards, code, config))
    return files


def hub_revision(source: str, options: ReadOptions) -> str | None:
    """The commit that `source` stands at, which tells on resuming whether it is still the same text."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return HfApi().dataset_info(source, revision=options.revision).sha
    except (HfHubHTTPError, OSError) as error:
        logger.warning("%s: its revision is unknown (%s), so that a change of it would go unnoticed", source, error)
        return options.revision


def hub_rows(
    segment: Segment, options: ReadOptions, places: Places, extra: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Rows of one shard, numbered within it."""
    from datasets.exceptions import DatasetsError

    try:
        yield from _rows(segment, options, places, extra)
    except DatasetsError as error:
        what = shorten(error, 300)
        raise OSError(f"{segment.file.name}: it cannot be streamed ({what}); repeat the command") from error


def _rows(segment: Segment, options: ReadOptions, places: Places, extra: Sequence[str]) -> Iterator[dict[str, Any]]:
    file = segment.file
    dataset = _open(file.path, file.config, options)
    if file.size > 1:
        dataset = dataset.shard(num_shards=file.size, index=segment.start)
    feature = (dataset.features or {}).get(options.language_column)
    labels = getattr(feature, "names", None)
    wanted = (options.text_column, options.language_column, *extra)
    for number, row in enumerate(dataset, start=1):
        places.line = number
        if number == 1:
            try:
                need_column(set(row), options)
            except ValueError as error:
                raise ValueError(f"{file.name}: {error}") from error
        kept = {name: row[name] for name in wanted if name in row}
        if options.language_column in kept:
            kept[options.language_column] = label_name(kept[options.language_column], labels)
        yield kept


def _open(source: str, config: str | None, options: ReadOptions) -> IterableDataset:
    from datasets import load_dataset

    return load_dataset(source, config, split=options.split, streaming=True, revision=options.revision)
