"""Folders of pictures, answered without a server: how well a model does, which recipe fits it, how two compare."""
