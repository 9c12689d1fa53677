"""Where the two programs begin. Until they know how to tidy up, a Ctrl-C ends them as any program: while they
are imported, too, where Python would write a traceback.
"""

from __future__ import annotations

import signal


def main() -> None:
    _end_at_ctrl_c()
    from .cli import main  # noqa: PLC0415 - it takes most of the time until then

    main()


def complete() -> None:
    _end_at_ctrl_c()
    from .completion import main  # noqa: PLC0415 - the same

    main()


def _end_at_ctrl_c() -> None:
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
