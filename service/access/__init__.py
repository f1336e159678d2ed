"""Owns who may ask: API keys, what each may do, and the file they are kept in. Knows no HTTP."""
