"""kubectl itself: it knows which cluster is meant and who the caller is. Nothing here finds that out again.

Its global flags are handed on as they are. What it says when it fails is shown in one line, without secrets.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from moorcheh_operator.api.texts import plain_text

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECRET_FLAGS = ("token", "password")
IN_URL = re.compile(r"//[^\"']*@")  # a user and a password
SECRETS = (
    (IN_URL, "//...@"),
    (re.compile(r"\bbearer \S{16,}|\beyJ[\w.-]{16,}", re.IGNORECASE), "..."),
    (re.compile(r"\bno kind \".*"), "it is no kubeconfig"),  # kubectl repeats what it found instead
)
LOG_LINE = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d")  # how klog begins a line
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Flags = Mapping[str, str | Sequence[str]]
"""kubectl's global flags by their long names, as they were given; all but `namespace`."""


class SaidError(Exception):
    """Ends the command with 1; the words are for the person."""


class KubectlError(SaidError):
    """kubectl can't be used, or makes no connection; in its own words."""


class Kubectl:
    def __init__(self, flags: Flags) -> None:
        self._flags = flags

    def command(self, *arguments: str) -> list[str]:
        """With the flags. KubectlError where there is no kubectl."""
        folders = (f"{folder}/kubectl" for folder in os.get_exec_path())
        program = next((each for each in folders if os.access(each, os.X_OK) and Path(each).is_file()), None)
        if program is None:
            raise KubectlError("there is no kubectl on the PATH; the connection to the cluster is made by it")
        return [program, *arguments, *(f"--{name}={value}" for name, value in self._given())]

    def pasted(self, command: str, name: str, *, namespace: str | None) -> str:
        """To paste into a shell, for the same cluster and caller. A secret is left to be typed."""
        options = ["-n", namespace] if namespace else []
        for flag, value in self._given():
            options += [f"--{flag}", "..." if flag in SECRET_FLAGS else IN_URL.sub("//...@", value)]
        return shlex.join(["kubectl", *command.split(), *options, name])

    def names(self, what: str) -> list[str]:
        """Of the kubeconfig's `contexts`, `clusters` or `users`."""
        header = 0 if what == "contexts" else 1
        output = self._start("config", f"get-{what}", *(["-o", "name"] if what == "contexts" else []))
        return output().splitlines()[header:]

    def default_namespace(self) -> Callable[[], str]:
        """The context's. kubectl is asked at once; who calls what is returned waits for its answer.

        No command of kubectl tells the namespace outside of a kubeconfig: that part of its rule is here.
        """
        told = self._start("config", "view", "--minify", "-o", "jsonpath={.contexts[0].context.namespace}")
        return lambda: told().strip() or pod_namespace(os.environ, SERVICE_ACCOUNT) or "default"

    @property
    def request_seconds(self) -> float | None:
        """`--request-timeout`, 0 for no limit; None where it is not given, or kubectl will refuse it."""
        text = str(self._flags.get("request-timeout", ""))
        if text.isdecimal():
            return float(text)
        parts = DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return None
        return sum(float(number) * UNITS[unit] for number, unit in parts)

    def words(self, text: str) -> str:
        """What kubectl wrote when it failed, for a person."""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("See 'kubectl")]
        told = [line for line in lines if not LOG_LINE.match(line)] or lines
        return self.without_secrets(" ".join(told).removeprefix("error: "))

    def without_secrets(self, text: str) -> str:
        """In one line."""
        for flag in SECRET_FLAGS:
            if value := self._flags.get(flag):
                text = text.replace(str(value), "...")
        for pattern, instead in SECRETS:
            text = pattern.sub(instead, text)
        return plain_text(text)

    def _given(self) -> Iterator[tuple[str, str]]:
        for name, value in self._flags.items():
            match value:
                case str():
                    yield name, value
                case _:
                    yield from ((name, each) for each in value)

    def _start(self, *arguments: str) -> Callable[[], str]:
        """What is returned waits for its output, which is empty where it fails."""
        process = subprocess.Popen(  # noqa: S603 - kubectl, without a shell
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )

        def output() -> str:
            text, _ = process.communicate()
            return text if process.returncode == 0 else ""

        return output


def pod_namespace(environment: Mapping[str, str], account: Path) -> str | None:
    """Of the Pod that this runs in, by client-go's rule; None outside of one."""
    if not (environment.get("KUBERNETES_SERVICE_HOST") and environment.get("KUBERNETES_SERVICE_PORT")):
        return None
    if not (account / "token").is_file():
        return None
    if named := environment.get("POD_NAMESPACE"):
        return named
    try:
        return (account / "namespace").read_text().strip() or None
    except OSError:
        return None
