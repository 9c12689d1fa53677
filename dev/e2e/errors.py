"""What can go wrong here, in words for the person who ran it."""

from __future__ import annotations


class E2EError(Exception):
    """One thing that did not hold, or could not be tried."""


class MissingError(E2EError):
    """The machine lacks something; the message says how to get it."""
