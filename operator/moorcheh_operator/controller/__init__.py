"""Doing: the tasks that carry out what `lifecycle` decides, and what they share."""
