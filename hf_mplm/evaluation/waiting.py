"""Long work of one process of several, for which the others wait without a time-out."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from datetime import timedelta

from torch import distributed


__all__ = ["measured_by_first"]

_SECONDS = 0.2
_CALLS = itertools.count()


def measured_by_first(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Call a function in the first process; the others wait for what it returns, however long that takes.

    A collective operation would give up after the time-out of its process group. Here the others look into the store
    through which the processes met, which costs a short message now and then and no device. All processes must call
    this equally often.

    Args:
        measure (`Callable`): names to numbers.

    Returns:
        `dict[str, float]`: what it returned, in every process.

    Raises:
        RuntimeError: in the other processes, if it raised in the first.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return measure()
    store = distributed.distributed_c10d._get_default_store()
    key = f"hf_mplm/measured/{next(_CALLS)}"
    if distributed.get_rank() == 0:
        try:
            scores = measure()
        except BaseException as error:
            store.set(key, json.dumps({"error": f"{type(error).__name__}: {error}"}))
            raise
        store.set(key, json.dumps({"scores": scores}))
        return scores
    while not store.check([key]):
        time.sleep(_SECONDS)
    store.wait([key], timedelta(seconds=60))
    found = json.loads(store.get(key))
    if "error" in found:
        raise RuntimeError(f"the first process could not measure: {found['error']}")
    return dict(found["scores"])
