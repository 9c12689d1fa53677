"""`python -m dev.controlplane`."""

from dev.controlplane.commands import main

main()
