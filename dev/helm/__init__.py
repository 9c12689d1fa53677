"""The real Helm, for the tests of charts/moorcheh-operator."""

from dev.helm.program import Helm, HelmError, prepare

__all__ = ["Helm", "HelmError", "prepare"]
