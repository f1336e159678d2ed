"""Owns telling a machine without memory from a model at fault: the first may pass, the second is diagnosed."""

_WORDS = ("std::bad_alloc", "Cannot allocate memory", "OOM when allocating")
"""What C++ libraries say in exceptions of other types, such as TensorFlow's converter."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, NumPy or TensorFlow ran out of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return any(word in str(error) for word in _WORDS)
