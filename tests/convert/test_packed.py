"""What is written is safetensors to the library too."""

from __future__ import annotations

import numpy as np
from safetensors import safe_open

from fathom.convert.packed import write_header
from fathom.weights.safetensors import read_header


def test_the_library_reads_what_is_written(tmp_path) -> None:
    path = tmp_path / "b.safetensors"
    with path.open("wb") as file:
        write_header(file, {"m": ("F32", (2, 3)), "h": ("BF16", (1,))}, {"format": "pt"}, align=4096)
        file.write(np.arange(6, dtype=np.float32).tobytes() + np.array([0x3F80], np.uint16).tobytes())
    assert read_header(path).tensors["m"].offset == 4096
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensor("m").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert file.get_tensor("h").tolist() == [1.0]
