from __future__ import annotations

import pytest

from .models import ARCHITECTURES, Architecture


@pytest.fixture(params=ARCHITECTURES, ids=lambda architecture: architecture.name)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return request.param
