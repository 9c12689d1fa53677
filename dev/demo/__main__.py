"""`python -m dev.demo`. The imports take a moment, in which somebody may already press Ctrl-C."""

import sys

try:
    from dev.demo.command import main

    main(prog_name="make demo")
except KeyboardInterrupt:
    sys.exit(130)
