"""What a Moorcheh server is like, seen from outside, and which of the operator's guarantees hold on it."""
