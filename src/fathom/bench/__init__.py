"""Instruments: how fast a model runs here, beside what the machine's memory allows.

All figures of a run are ratios to a bandwidth measured in between, on a machine that was waited for to be quiet.
"""
