"""Shows what was counted, as Prometheus reads it."""
