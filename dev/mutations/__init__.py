"""The lines that keep data safe, and a way to break each; `python -m dev.mutate` asks for a test."""
