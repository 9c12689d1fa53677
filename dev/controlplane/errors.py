"""What may go wrong with a control plane on a laptop."""


class ControlPlaneError(Exception):
    """Anything that a person has to read; the words are the message."""


class AssetsError(ControlPlaneError):
    """No way to kube-apiserver, etcd and kubectl. The message names the ways there are."""


class UnusableError(Exception):
    """One way of getting them doesn't work; the next one is tried."""


class StartError(ControlPlaneError):
    """A program of the control plane didn't come up. The message ends with its last log lines."""


class KubectlError(ControlPlaneError):
    """kubectl failed. The message has what it wrote to standard error."""
