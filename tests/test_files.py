"""Output is complete or absent: after an error, a kill, a full disk, and beside a second process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from fathom.errors import FathomError
from fathom.files import atomic_file, atomic_folder, check_space, human


def test_a_failed_file_leaves_the_old_one(tmp_path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_file(path) as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [item.name for item in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"
    with atomic_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_folder_appears_whole(tmp_path) -> None:
    with atomic_folder(tmp_path / "deep" / "out") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "x").read_text() == "1"
    with pytest.raises(FathomError, match="exists already"), atomic_folder(tmp_path / "deep" / "out"):
        pass


def test_two_writers_of_one_name_are_told(tmp_path) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("1")
        with pytest.raises(FathomError, match="another process"), atomic_folder(tmp_path / "out"):
            pass
    assert (tmp_path / "out" / "x").exists()
    with atomic_file(tmp_path / "f"), pytest.raises(FathomError, match="another process"), atomic_file(tmp_path / "f"):
        pass


KILLED = """
import os, signal, sys
from pathlib import Path
from fathom.files import atomic_folder
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_nothing_under_the_name_and_its_rest_is_cleared(tmp_path) -> None:
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "out")], env=os.environ)
    assert run.returncode == -signal.SIGKILL
    assert [item.name for item in tmp_path.iterdir()] == [".out.partial"]
    with atomic_folder(tmp_path / "out") as folder:
        assert list(folder.iterdir()) == []
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_one_clear_error_and_the_rest_is_removed(small_disk) -> None:
    with pytest.raises(FathomError) as caught, atomic_folder(small_disk / "out") as folder:
        (folder / "big").write_bytes(bytes(8 << 20))
    assert caught.value.code == "no_space"
    with pytest.raises(FathomError) as caught, atomic_file(small_disk / "big") as file:
        file.write(bytes(8 << 20))
    assert caught.value.code == "no_space"
    assert list(small_disk.iterdir()) == []


def test_space_is_checked_before_the_work(tmp_path) -> None:
    check_space(tmp_path / "not" / "there" / "yet", 1)
    with pytest.raises(FathomError, match="1024 TiB needed"):
        check_space(tmp_path / "out", 1 << 50)


def test_sizes_read_well() -> None:
    assert [human(n) for n in (0, 999, 1536, 5 << 20, 9 << 30)] == ["0 B", "999 B", "1.5 KiB", "5 MiB", "9 GiB"]
