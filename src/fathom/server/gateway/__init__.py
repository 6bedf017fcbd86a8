"""A privacy gateway: what leaves is masked, what comes back is un-masked. Needs neither the engine nor a model."""

from __future__ import annotations

from .app import create_gateway
from .gateway import Settings
from .upstream import Timeouts

__all__ = ["Settings", "Timeouts", "create_gateway"]
