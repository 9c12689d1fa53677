"""What can go wrong with a benchmark, in words for the person who runs it."""


class BenchmarkError(Exception):
    pass
