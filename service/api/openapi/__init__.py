"""Owns what the API says of itself: `/openapi.json`, made from routes and schemas, and `/docs`, which shows it."""
