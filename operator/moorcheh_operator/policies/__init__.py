"""Deciding when a cleanup policy runs, what it matches, and which requests that makes. Pure."""
