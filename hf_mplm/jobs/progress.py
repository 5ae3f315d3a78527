"""Progress bars: on a terminal they move, and in a file they leave a line now and then."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm


__all__ = ["progress_bar", "show_progress"]

# Seconds between two states of a bar that nobody watches.
_SELDOM = 15.0


def show_progress() -> bool:
    """Whether progress bars are wanted: on a terminal, or where the log's level asks for information."""
    return sys.stderr.isatty() or logging.getLogger("hf_mplm").isEnabledFor(logging.INFO)


def progress_bar(iterable: Iterable[Any] | None = None, *, shown: bool | None = None, **kwargs: Any) -> Any:
    """Make a bar, the one way in which the package makes them.

    Args:
        iterable (`Iterable`, *optional*): What it goes over.
        shown (`bool`, *optional*): Whether it is shown, by default as [`show_progress`] says.
        **kwargs: Of `tqdm`.

    Returns:
        `tqdm`: The bar.
    """
    shown = show_progress() if shown is None else shown
    if not sys.stderr.isatty():
        # `maxinterval` would have it look at every step again after ten seconds.
        kwargs |= {"mininterval": _SELDOM, "maxinterval": 4 * _SELDOM}
    make: Any = tqdm
    return make(iterable, disable=not shown, **kwargs)
