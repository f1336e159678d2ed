"""Classifies folders of any size: listed once, answered in parts by processes that hold the model, then joined."""
