"""Around it: command line, start and stop, the watch, probes and logs."""
