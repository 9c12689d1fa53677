"""The `NamespaceDeletion`: what is asked for, what is known of it, and how the API server writes both."""
