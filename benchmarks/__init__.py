"""Measures Convoy against what people write by hand around the same saved model: `make bench`."""
