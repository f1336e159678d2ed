"""Owns telling a machine without memory from a model at fault: the first may pass, the second is diagnosed."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, NumPy or TensorFlow ran out of memory."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"
