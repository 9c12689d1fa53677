"""What Flux and Argo CD make of an object, by their own code: small Go programs around their libraries."""

from dev.gitops.programs import ARGOCD, EXPRESSIONS, KSTATUS, Program, Verdict, prepare

__all__ = ["ARGOCD", "EXPRESSIONS", "KSTATUS", "Program", "Verdict", "prepare"]
