"""An operator that deletes Moorcheh namespaces, once, and only those that were asked for."""

__version__ = "0.1.0"
