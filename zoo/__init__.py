"""Trains the bundled models under `models/`. Development only: `service/` never imports it."""
