"""Convoy: drop a saved Keras CNN into a folder, get an image-classification API."""

__version__ = "0.1.0"
