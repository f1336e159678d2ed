"""What a model is: card, tensors, layers, head, recipe. Pure values; no I/O, no framework."""
