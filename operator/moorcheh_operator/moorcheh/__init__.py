"""The calls of one Moorcheh server, and what its answers mean."""
