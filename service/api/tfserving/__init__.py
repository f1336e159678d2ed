"""Owns TensorFlow Serving's REST API and KServe's version 1, which share the paths `/v1/models/…`."""
