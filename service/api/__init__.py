"""HTTP in and out: one file per dialect, and what they share: bodies, errors, schemas, health."""
