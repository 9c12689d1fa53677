"""An HTTP proxy that others are told to use: tunnels by CONNECT, all to one place, and the account of it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Asked:
    line: str  # CONNECT api.example:6443
    authorization: str | None


class ConnectProxy:
    def __init__(self, host: str, port: int, *, password: str | None = None) -> None:
        """Where each tunnel leads. `password`: what Proxy-Authorization must be, or it answers 407."""
        self.asked: list[Asked] = []
        asked = self.asked

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline().decode("latin-1").strip()
                headers = {}
                while header := self.rfile.readline().decode("latin-1").strip():
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                shown = headers.get("proxy-authorization")
                asked.append(Asked(line.rpartition(" ")[0], shown))
                if password is not None and shown != password:
                    self.wfile.write(
                        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
                    )
                elif not line.startswith("CONNECT "):
                    self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                else:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    self.tunnel()

            def tunnel(self) -> None:
                with socket.create_connection((host, port)) as there:
                    back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
                    back.start()
                    _pump(self.connection, there)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
