"""Checkpoints on disk: safetensors, GGUF and fathom's packed format, all under the official tensor names."""
