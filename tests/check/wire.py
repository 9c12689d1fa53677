"""A server that says exactly the bytes it is told to, in a thread of its own."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Behaviour = Callable[[str, str, bytes], bytes]
"""Method, path and body, to the bytes of the answer; none: the connection is closed."""


@dataclass
class Wire:
    url: str = ""
    received: list[tuple[str, str]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    @property
    def methods(self) -> set[str]:
        return {method for method, _ in self.received}


@contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    wire = Wire()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline().decode("latin-1"):
                method, path, version = line.split(" ")
                if not version.startswith("HTTP/"):  # of a TLS handshake, whose random bytes are any
                    return
                head = "".join(iter(lambda: self.rfile.readline().decode("latin-1"), "\r\n"))
                length = next(
                    (
                        int(each[15:])
                        for each in head.lower().split("\r\n")
                        if each.startswith("content-length:")
                    ),
                    0,
                )
                body = self.rfile.read(length)
                wire.received.append((method, path))
                wire.headers.append(head)
                said = behaviour(method, path, body)
                if not said:
                    return
                self.wfile.write(said)

        def finish(self) -> None:
            pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def get_request(self) -> tuple[socket.socket, str]:
            connection, address = super().get_request()
            if tls is not None:  # the handshake comes with the first read, in the handler's thread
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def handle_error(self, *_: object) -> None:
            """The client went."""

    with Server(("127.0.0.1", 0), Handler) as server:
        wire.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield wire
        finally:
            server.shutdown()
            thread.join()
