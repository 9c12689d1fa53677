"""`kubectl moorcheh`: ask for deletions, see them coming, follow them. Only with the caller's own rights."""
