"""Whatever writes checkpoints: ``quantize`` (packed), ``gguf`` (export), ``dummy`` (published shapes, random weights).

Rounding to int4 by what a text shows of a model's inputs (``fathom quantize --calibrate FILE``) is ``calibrate``:
``observe`` runs the model and spools the inputs of its MLPs and experts, ``rounding`` rounds one matrix by them.
"""
