"""What is live: the registry, the predictor, admission, and the watcher that keeps both in step with the disk."""
