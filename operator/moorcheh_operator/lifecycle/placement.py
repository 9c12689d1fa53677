"""Where a request's target is, as the servers file says now. Pure.

A URL is a server's identity. A name means the URL that the file gives it, until a look-up has recorded one;
from then on a request is about that URL alone, whatever becomes of the name.
"""

from __future__ import annotations

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED
from moorcheh_operator.servers.definitions import From, Servers

from .access import seen_at
from .facts import Polls
from .ownership import follows_job

Place = tuple[str, str]
"""A server's URL (its name, where nobody has that), and a name on it."""


def place(request: Request, servers: Servers) -> Place:
    return url_of(seen_at(request) or request.spec.server, servers), request.spec.namespace_name


def url_of(server: str, servers: Servers) -> str:
    """By its name; a URL, or a name that nobody has, stays as it is."""
    named = servers.get(server)
    return server if named is None else named.url


def working_at(request: Request, polls: Polls, servers: Servers) -> str | None:
    """The URL that its attempt is at, also where the file no longer has it; else that of its server's name.
    None: there is none for it, or another one than the target was seen at.
    """
    recorded = seen_at(request)
    if recorded is not None and follows_job(request, polls):
        return recorded
    named = servers.get(request.spec.server)
    return named.url if named is not None and recorded in (None, named.url) else None


def needs_labels(request: Request, servers: Servers) -> bool:
    """Whether it may is told by the labels of its Kubernetes namespace, and is still to be asked."""
    named = servers.get(request.spec.server)
    over = request.withdrawn or request.status.phase in ENDED or follows_job(request)
    return named is not None and named.allowed_namespaces.from_ is From.SELECTOR and not over
