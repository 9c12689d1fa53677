"""`make e2e`: the operator's image on a real node, installed as the README says."""
