"""Where the program begins. Until it knows how to stop in order, a SIGTERM ends it as it ends any program.

That takes a handler: the kernel gives the first process of a container no signal that has none. Without it a
Pod that has just started, and imports for a second, took its whole grace period to end.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))  # nothing was begun yet
    from .process.cli import main  # noqa: PLC0415 - it takes most of the time until then

    main(prog_name="moorcheh-operator")


if __name__ == "__main__":
    main()
