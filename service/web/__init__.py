"""Owns the page at `/`: what a browser is shown of the models, and the files that the page is made of."""
