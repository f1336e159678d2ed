"""Runs the application under gunicorn: the arbiter `convoy serve` becomes, and its kind of worker."""
