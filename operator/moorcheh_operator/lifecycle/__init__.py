"""What happens next to a request, decided purely: docs/safety.md as code."""
