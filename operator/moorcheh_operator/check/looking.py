"""The part of a check that only reads."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from datetime import timedelta

import httpx
from msgspec.structs import replace

from moorcheh_operator.api.texts import plain_text
from moorcheh_operator.clock import Clock
from moorcheh_operator.moorcheh.connection import CONNECT_SECONDS
from moorcheh_operator.moorcheh.parsing import Response

from .calls import Calls, Heard, Say
from .findings import Between, Findings, Health, Listing, Reach, ServerClock, Tls
from .reading import between_of, health_of, listing_of

SSL_PORT, PORT = 443, 80
EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED …
MISMATCHES = (62, 64)  # … _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
KEYS_ONLY = "`apiKeyFile` or `bearerTokenFile`, and a server that takes one: the operator has no certificate"


async def look_at(
    found: Findings, calls: Calls, without_key: Calls | None, tls: ssl.SSLContext, say: Say
) -> None:
    """Fills `found` in. `without_key`: the same server, called without the key."""
    say("connecting")
    found.reach = await calls.unless_stopped(_reach(httpx.URL(found.url), tls))
    if found.reach.error is not None:
        return
    say("asking for its health")
    health = await calls.get("health")
    found.health = (
        health_of(health.response, health.answer.seconds or 0.0) if health.response else Health(health.answer)
    )
    say("reading the listing")
    heard = await calls.get("namespaces")
    found.listing = _listing(heard)
    if heard.answer.code in (None, 400):
        found.reach = await calls.unless_stopped(_reach_anew(httpx.URL(found.url), tls, found.reach))
    found.between = _between(heard, health)
    if without_key is not None:
        say("reading the listing without the key")
        found.without_key = (await without_key.get("namespaces")).answer
    if found.listing.error is None:
        say("asking for a job that there is not")
        nobody = f"no-{secrets.token_hex(8)}"
        unknown = await calls.get("namespaces", nobody, "delete-jobs", f"job-{secrets.token_hex(16)}")
        found.unknown_job = unknown.answer
        found.unknown_job_is_told = unknown.response is not None and unknown.response.message is not None
    found.clock = clock_of(calls.clock)


def clock_of(clock: Clock) -> ServerClock:
    """What the `Date` headers have told so far."""
    epoch, now = clock.moorcheh.epoch, clock.now()
    if epoch is None:
        return ServerClock()
    ahead = epoch + timedelta(seconds=now.ticks) - now.time
    return ServerClock(has_date=True, ahead_seconds=round(ahead.total_seconds(), 1))


def _listing(heard: Heard) -> Listing:
    if heard.response is None:
        return Listing(heard.answer, error=heard.answer.words)
    return listing_of(heard.response, heard.answer.seconds or 0.0)


def _between(listing: Heard, health: Heard) -> Between:
    """By the listing's answer; by the other one where there is none."""
    response: Response | None = listing.response or health.response
    return Between() if response is None else between_of(response.headers, response.shown)


async def _reach(url: httpx.URL, tls: ssl.SSLContext) -> Reach:
    """By a connection of its own, so that what fails can be named: the name, the port, the certificate."""
    secure = url.scheme == "https"
    host, port = _host_and_port(url)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        return Reach(error=f"its name {host} can't be resolved: {_why(error)}")
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=tls if secure else None)
    except ssl.SSLCertVerificationError as error:
        words = f"its certificate is not trusted: {plain_text(error.verify_message)}"
        return Reach(addresses, error=words, do=_trust(error.verify_code))
    except (ssl.SSLError, ConnectionResetError) as error:
        words = f"there is no TLS at port {port} that can be used: {_why(error)}"
        return Reach(addresses, error=words, do=_handshake(error))
    except (OSError, TimeoutError) as error:
        return Reach(addresses, error=f"port {port} can't be reached: {_why(error)}")
    session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    if session is None:
        return Reach(addresses)
    ends = str((session.getpeercert() or {}).get("notAfter", ""))
    return Reach(addresses, Tls(session.version() or "", plain_text(ends)))


async def _reach_anew(url: httpx.URL, tls: ssl.SSLContext, reach: Reach) -> Reach:
    """What a connection shows of one that gives no answer: that the port speaks TLS, or, by what comes after
    the handshake, that it wants a certificate.
    """
    secure = url.scheme == "https"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(*_host_and_port(url), ssl=tls)
            try:
                if secure:
                    await reader.read(1)
            finally:
                writer.transport.abort()
    except ssl.SSLCertVerificationError:
        pass
    except ssl.SSLError as error:
        if not secure or "CERTIFICATE_REQUIRED" not in (error.reason or ""):
            return reach
        return replace(reach, error="it asks for a client certificate", do=KEYS_ONLY)
    except (OSError, TimeoutError):
        return reach
    if secure:
        return reach
    words = "the url says http, and the port speaks TLS"
    return replace(reach, error=words, do="let the url begin with https://")


def _host_and_port(url: httpx.URL) -> tuple[str, int]:
    return url.raw_host.decode("ascii"), url.port or (SSL_PORT if url.scheme == "https" else PORT)


def _handshake(error: OSError) -> str:
    """What may help where there was none: an alert is the word of one that speaks TLS."""
    if "ALERT" in (getattr(error, "reason", None) or ""):
        return f"see in the server's log why it refused. If it asks for a client certificate: {KEYS_ONLY}"
    return "if it speaks plain HTTP, let the url begin with http://"


def _trust(code: int) -> str:
    """What makes a certificate be trusted, by why it was not."""
    if code == EXPIRED:
        return "renew its certificate"
    if code in MISMATCHES:
        return (
            "a url with a name that is in its certificate, or a certificate with the name that is in the url"
        )
    return "`caFile` in the servers file, or `--ca-file`: the CA that signed its certificate"


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return plain_text(str(getattr(error, "strerror", None) or error) or type(error).__name__)
