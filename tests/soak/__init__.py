"""Owns what runs for minutes."""
