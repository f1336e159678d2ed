"""Encoded image or posted numbers -> the array a model takes. Pillow and NumPy only."""
