"""What is on disk: saved models and their versions, their sidecars, and the store of bundles."""
