"""The device a run is on, and what it can do."""

from __future__ import annotations

import time

import torch

__all__ = ["MICRO_TOKENS", "default_dtype", "pick_device", "product_peak"]

MICRO_TOKENS = {"cuda": 65536, "cpu": 4096}  # of one forward pass: about 1 GiB of `mini` on a CPU


def pick_device() -> torch.device:
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")  # the optimiser's few float32 products
        return torch.device("cuda")
    return torch.device("cpu")


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where products of it are native; elsewhere its emulation is half as fast as float32 (pytorch#118499)."""
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    native = device.type == "cuda" or any(getattr(torch.cpu, name, bool)() for name in probes)
    return torch.bfloat16 if native else torch.float32


def product_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product, measured now: what utilisation is a share of."""
    size, turns = (8192, 10) if device.type == "cuda" else (1024, 3)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        _wait(device)
        began = time.perf_counter()
        for _ in range(turns):
            a @ b
        _wait(device)
        best = min(best, (time.perf_counter() - began) / turns)
    return 2 * size**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
