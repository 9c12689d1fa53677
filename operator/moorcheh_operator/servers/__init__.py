"""Which Moorcheh servers there are, and who may delete what on them: the servers file."""
