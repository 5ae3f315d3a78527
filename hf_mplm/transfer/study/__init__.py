"""The study's grid: what is to be run, by whom it is claimed, and what came of it. It knows nothing of models."""

from __future__ import annotations
