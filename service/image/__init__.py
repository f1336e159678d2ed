"""Encoded image or posted numbers -> the array a model takes. Pillow, simplejpeg and NumPy only."""
