"""The compatibility matrix: what old and new Keras write, Convoy reads; `python -m tests.compatibility --help`."""
