"""Training on the program's PyTorch executor: recipes, one loop for pre-training and fine-tuning, checkpoints, plots.

Runs from the source tree with torch, numpy, safetensors and tokenizers alone, on a CPU or one GPU. Needs ``[train]``.
"""
