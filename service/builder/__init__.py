"""Turns a saved model into a bundle: scan, load, inspect, export, verify. TensorFlow lives here, in a child process."""
