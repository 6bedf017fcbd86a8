"""Warm-up, stable, decay: the rate, the strength of the balance loss and the phase as functions of progress.

Progress is the share of the run that is over, by steps or by the clock, so a run on borrowed time ends with a finished
schedule. Warm-up alone counts in steps: it is there for the optimiser's averages.
"""

from __future__ import annotations

from collections.abc import Sequence

from .recipe import BalanceRecipe, PhaseRecipe, RateRecipe

__all__ = ["balance_at", "phase_at", "rate_at"]


def rate_at(recipe: RateRecipe, step: int, progress: float) -> float:
    """The rate of step ``step`` (from 0): linear up, flat until ``stable``, linear down to ``floor`` of the peak."""
    warm = min(1.0, (step + 1) / max(recipe.warmup_steps, 1))
    over = max(0.0, progress - recipe.stable) / (1.0 - recipe.stable)
    return recipe.peak * warm * (1.0 - min(over, 1.0) * (1.0 - recipe.floor))


def balance_at(recipe: BalanceRecipe, progress: float) -> float:
    return recipe.early if progress < recipe.early_until else recipe.late


def phase_at(phases: Sequence[PhaseRecipe], progress: float) -> int:
    return next((i for i, phase in enumerate(phases) if progress < phase.until), len(phases) - 1)
