"""The connection to the cluster: `kubectl proxy`, on a socket in a folder that only this user can enter.

Cluster, credentials, TLS and the way through other proxies are so kubectl's own, whatever it understands. A
shell stands guard: as soon as this process has ended, in whatever way, SIGKILL included, it ends the proxy
and removes the folder. It takes nothing that is not in POSIX.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from .kubectl import LOG_LINE, Kubectl, KubectlError

ACCEPTED = (
    r"^/apis/moorcheh\.ai/v1alpha1/",
    r"^/apis/authentication\.k8s\.io/v1/selfsubjectreviews$",
    r"^/apis/admissionregistration\.k8s\.io/v1/validatingadmissionpolic(ies|ybindings)/moorcheh-identity$",
    r"^/api/v1/namespaces(/kube-system|/[^/]+/events)?$",
    r"^/api$",
)
"""What the proxy lets through: the calls of api.py and nothing more, should anybody else reach the socket."""

FOLDERS = ("$TMPDIR", "/tmp", "/var/tmp", "$XDG_RUNTIME_DIR")  # noqa: S108 - each takes a folder of 0700
LONGEST_ADDRESS = 100  # bytes; macOS takes 103 for a socket's, Linux 107
STOP_SECONDS = 2.0
KEPT = 8192  # characters of what kubectl says

GUARD = """
folder=$1; shift
mkdir -m 700 "$folder" || exit
"$@" {stdin} &
exec >/dev/null 2>&1
trap '' HUP INT TERM
read -r end
kill 0
rm -rf "$folder"
wait
"""
"""Its standard input ends when this process does. It leads a session of its own, so a Ctrl-C at the terminal
leaves the proxy alone, and `kill 0` reaches a credential plugin too.
"""


class Proxy:
    def __init__(self, kubectl: Kubectl) -> None:
        """Starts it, and does not wait."""
        folder = f"{_folder()}/kubectl-moorcheh-{os.urandom(8).hex()}"
        self._address = f"{folder}/api"
        self._kubectl = kubectl
        self._serves = False
        self._said = ""
        command = kubectl.command(
            "proxy",
            f"--unix-socket={self._address}",
            f"--accept-paths={','.join(ACCEPTED)}",
            "--accept-hosts=^localhost$",
            "--append-server-path",
        )
        with _terminal() as terminal:
            guard = GUARD.format(stdin="</dev/null" if terminal is None else f"<&{terminal}")
            self._guard = subprocess.Popen(  # noqa: S603 - the words of the command are arguments, not text
                ["/bin/sh", "-c", guard, "sh", folder, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=() if terminal is None else (terminal,),
                start_new_session=True,
            )
        pipes = (self._guard.stdin, self._guard.stdout, self._guard.stderr)
        self._lifeline, self._output, self._errors = cast("tuple[IO[bytes], ...]", pipes)
        self._shows = terminal is not None and sys.stderr.isatty()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def connect(self) -> socket.socket:
        """KubectlError where kubectl makes none, or makes none any more. The proxy is not started anew: that
        would lead to whatever is the current context by now.
        """
        self._wait()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self._address)
        except OSError as error:
            connection.close()
            raise KubectlError(
                f"kubectl proxy has ended. {self._kubectl.words(self._said)}".rstrip()
            ) from error
        return connection

    def close(self) -> None:
        self._lifeline.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(STOP_SECONDS)

    def _wait(self) -> None:
        """Until it serves, as its first line says. Before, it may ask the person for a name and password."""
        if self._serves:
            return
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self._output.fileno(), 4096)
            if not part:
                self._listener.join(STOP_SECONDS)
                raise KubectlError(self._kubectl.words(line.decode(errors="replace") + self._said))
            if self._shows and not part.endswith(b"\n"):
                sys.stderr.write(part.decode(errors="replace"))
                sys.stderr.flush()
            line += part
        self._serves = True

    def _listen(self) -> None:
        """A credential plugin speaks through kubectl: passed on, where a person sits at the terminal."""
        while part := os.read(self._errors.fileno(), 4096):
            text = part.decode(errors="replace")
            self._said = (self._said + text)[-KEPT:]
            if self._serves and self._shows:
                lines = text.splitlines(keepends=True)
                sys.stderr.write("".join(line for line in lines if not LOG_LINE.match(line)))
                sys.stderr.flush()


@contextlib.contextmanager
def _terminal() -> Iterator[int | None]:
    """Standard input once more, if it is a terminal, by a number that each shell can name: of one digit."""
    if not os.isatty(0):
        yield None
        return
    copy = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    try:
        yield copy if copy < 10 else None
    finally:
        os.close(copy)


def _folder() -> str:
    longest = LONGEST_ADDRESS - len("/kubectl-moorcheh-0123456789abcdef/api")
    for each in FOLDERS:
        path = str(Path(os.path.expandvars(each)).absolute())
        if len(os.fsencode(path)) <= longest and os.access(path, os.W_OK | os.X_OK):
            return path
    raise KubectlError("no folder for the connection by kubectl: TMPDIR has to name one that can be written")
