"""Counts what happens, over all workers of a server: whole numbers in shared files, added up on demand."""
