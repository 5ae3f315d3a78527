"""What an adaptation will cost, before it is begun: hours and gigabytes."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from .encoder_facts import EncoderFacts
from .keeping import distils
from .settings import AdaptSettings


__all__ = ["Costs", "estimate_costs"]

_SIZE = 1024
# Of the speed of a large product, what a step of training reaches, all told.
_EFFICIENCY = 0.4
_FLOAT = 4
# Texts a step of alignment reads of each sentence: it, its romanisation, and both joined.
_ALIGNED = 4
# Passes of the report: two models, and the masks drawn twice.
_MEASURED = 4
_GB = 1e9


class Costs(NamedTuple):
    """An estimate.

    Attributes:
        hours (`float`): of training and its evaluations on this machine, measured by one product of matrices.
        align_hours (`float`): of aligning scripts after it.
        report_hours (`float`): of measuring the start and the result on held-out text, benchmarks aside.
        disk (`float`): gigabytes while it runs: stores, the extended model, two checkpoints and the result.
        memory (`float`): gigabytes of weights, gradients and optimizer, activations aside.
    """

    hours: float
    align_hours: float
    report_hours: float
    disk: float
    memory: float


def estimate_costs(
    settings: AdaptSettings,
    encoder: EncoderFacts,
    *,
    new_pieces: int,
    steps: int,
    tokens: int,
    held_out: int = 0,
    watched: int = 0,
    flops: float | None = None,
) -> Costs:
    """Estimate by counting.

    A step costs 6 operations a token and parameter of the encoder's layers, and for the predicted tokens as many a
    parameter of the decoder (Kaplan et al. 2020, section 2.1); distillation 2 and 4 more. A third of it is the forward
    pass, which is all of an evaluation. AdamW keeps weights, gradients and two moments.

    Args:
        settings ([`AdaptSettings`]): what the adaptation is told.
        encoder ([`EncoderFacts`]): the encoder.
        new_pieces (`int`): subwords to add.
        steps (`int`): of training.
        tokens (`int`): of the text, new and replayed.
        held_out (`int`, *optional*, defaults to 0): tokens of it that are evaluated on.
        watched (`int`, *optional*, defaults to 0): tokens that the report measures beside these.
        flops (`float`, *optional*): operations a second; measured by default.
    """
    speed = (flops or _measure(settings.use_cpu)) * _EFFICIENCY
    tables = 1 if encoder.tied else 2
    added = new_pieces * encoder.hidden_size * tables
    layers = encoder.parameters - encoder.embedding_parameters
    decoder = (encoder.rows + new_pieces) * encoder.hidden_size
    taught = distils(settings)
    plain = 6 * (layers + decoder * settings.mask_rate)
    a_token = plain + taught * (2 * layers + 8 * decoder * settings.mask_rate)
    in_step = settings.batch_size * settings.chunk_length
    parameters = encoder.parameters + added
    checkpoints = 2 * 3 + 1 + bool(settings.align_scripts) + bool(new_pieces)
    # A token store holds int32, and as much again while it is prepared; one of pairs has every text twice.
    stores = 2 * _FLOAT * tokens * ((2 if new_pieces else 1) + 2 * settings.align_scripts)
    hour = speed * 3600
    return Costs(
        hours=(steps * in_step * a_token + settings.evaluations * held_out * plain / 3) / hour,
        align_hours=settings.align_scripts * settings.align_steps * _ALIGNED * in_step * plain / hour,
        report_hours=_MEASURED * (held_out + watched) * plain / 3 / hour,
        disk=(checkpoints * _FLOAT * parameters + stores) / _GB,
        memory=(4 + taught) * _FLOAT * parameters / _GB,
    )


def _measure(use_cpu: bool) -> float:
    """Operations a second of a product of matrices."""
    device = "cuda" if torch.cuda.is_available() and not use_cpu else "cpu"
    left = torch.ones(_SIZE, _SIZE, device=device)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((left @ left)[0, 0])  # which waits for an accelerator
        best = min(best, time.perf_counter() - started)
    return 2 * _SIZE**3 / best
