"""Says what a model saw and why it answered so: the output of every layer, heat maps."""
