"""A machine without memory is told from a model at fault."""

from pathlib import Path

import pytest

from service.builder.exhaustion import is_out_of_disk, is_out_of_memory


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


@pytest.mark.parametrize("error", [MemoryError(), ResourceExhaustedError("x"), RuntimeError("std::bad_alloc")])
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_another_error_is_the_models_own() -> None:
    assert not is_out_of_memory(ValueError("Unknown layer: 'Cast'"))


def test_a_disk_with_room_is_not_full_and_one_that_is_gone_is_no_full_one(tmp_path: Path) -> None:
    assert not is_out_of_disk(tmp_path)
    assert not is_out_of_disk(tmp_path / "gone")
