"""What may go wrong with the demo itself."""


class DemoError(Exception):
    """The demo can't go on; the words are the message."""
