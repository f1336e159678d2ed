"""A machine without memory is told from a model at fault."""

import pytest

from service.builder.exhaustion import is_out_of_memory


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


@pytest.mark.parametrize("error", [MemoryError(), ResourceExhaustedError("x"), RuntimeError("std::bad_alloc")])
def test_memory_that_ran_out_is_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_another_error_is_the_models_own() -> None:
    assert not is_out_of_memory(ValueError("Unknown layer: 'Cast'"))
