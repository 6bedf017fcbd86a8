"""Rounding to int4 by what a text shows of a model's inputs: ``fathom quantize --calibrate FILE``.

``observe`` runs the model and spools the inputs of its MLPs and experts, ``rounding`` rounds one matrix by them,
``convert`` writes the packed folder.
"""

from .convert import Loss, by_op, quantize_calibrated

__all__ = ["Loss", "by_op", "quantize_calibrated"]
