"""Runs a bundle's graph on arrays: engines behind one Protocol."""
