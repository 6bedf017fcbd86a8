"""The network as a program: a flat list of ops over named buffers and the official tensor names."""

from .program import Op, Program, View, Weight, build_program

__all__ = ["Op", "Program", "View", "Weight", "build_program"]
