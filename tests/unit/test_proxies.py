"""The API server is reached through the proxy that kubectl would take, by the rules of Go's net/http."""

from __future__ import annotations

import base64

import pytest

from moorcheh_operator.cluster.proxies import Proxy, ProxyError, proxy_for

PROXY = "http://proxy.example:3128"

TAKEN = {
    "of https": ("https://api.example", {"HTTPS_PROXY": PROXY}, True),
    "of https in small letters": ("https://api.example", {"https_proxy": PROXY}, True),
    "of http for https": ("https://api.example", {"HTTP_PROXY": PROXY}, False),
    "of http": ("http://api.example", {"HTTP_PROXY": PROXY}, True),
    "of https for http": ("http://api.example", {"HTTPS_PROXY": PROXY}, False),
    "of all": ("https://api.example", {"ALL_PROXY": PROXY}, False),
    "none": ("https://api.example", {}, False),
    "an empty one": ("https://api.example", {"HTTPS_PROXY": ""}, False),
    "capitals first": ("https://api.example", {"HTTPS_PROXY": PROXY, "https_proxy": "http://no:1"}, True),
    "without a scheme": ("https://api.example", {"HTTPS_PROXY": "proxy.example:3128"}, True),
    "loopback by name": ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, False),
    "loopback by address": ("https://127.0.0.2:6443", {"HTTPS_PROXY": PROXY}, False),
    "loopback of IPv6": ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, False),
}


@pytest.mark.parametrize(("server", "environment", "taken"), TAKEN.values(), ids=TAKEN)
def test_the_environment_s_proxy(server: str, environment: dict[str, str], taken: bool) -> None:
    found = proxy_for(server, None, environment)

    assert (found is not None and str(found.url)) == (PROXY if taken else False)


DIRECT = {
    "*": True,
    "other.example, api.example": True,
    "API.Example": True,
    "example": True,
    ".example": True,
    "*.example": True,
    ".api.example": False,
    "*.api.example": False,
    "pi.example": False,
    "api.example:6443": True,
    "api.example:443": False,
    ".example:6443": True,
    "10.0.0.0/8": False,
    ",,": False,
    "": False,
}
ADDRESSES = {
    "10.1.2.3": True,
    "10.1.2.3:6443": True,
    "10.1.2.3:443": False,
    "10.0.0.0/8": True,
    "192.168.0.0/16, 10.1.0.0/16": True,
    "11.0.0.0/8": False,
    "10.1.2.0/33": False,
    "2.3": False,
    "*": True,
}


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        *(pytest.param("api.example", *each, id=f"name {each[0]}") for each in DIRECT.items()),
        *(pytest.param("10.1.2.3", *each, id=f"address {each[0]}") for each in ADDRESSES.items()),
        pytest.param("[fd00::1]", "fd00::/8", True, id="a network of IPv6"),
        pytest.param("[fd00::1]", "fd00::1", True, id="an address of IPv6"),
        pytest.param("[fd00::1]", "[fd00::1]:6443", True, id="an address of IPv6 with its port"),
        pytest.param("[fd00::1]", "[fd00::2]", False, id="another address of IPv6"),
    ],
)
def test_what_no_proxy_lets_go_direct(host: str, no_proxy: str, direct: bool) -> None:
    found = proxy_for(f"https://{host}:6443", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})

    assert (found is None) == direct


def test_the_kubeconfig_s_proxy_counts_before_the_environment_and_for_loopback_too() -> None:
    environment = {"HTTPS_PROXY": "http://no.example:1", "NO_PROXY": "*"}

    assert proxy_for("https://127.0.0.1:6443", PROXY, environment) == proxy_for(
        "https://127.0.0.1:6443", PROXY, {}
    )


def test_a_password_is_sent_and_never_shown() -> None:
    found = proxy_for("https://api.example", "http://me:s3cr%3At@proxy.example:3128", {})

    assert isinstance(found, Proxy)
    assert base64.b64decode(str(found.authorization).removeprefix("Basic ")) == b"me:s3cr:t"
    assert "s3cr" not in f"{found} {found!r}"


REFUSED = {
    "socks": "socks5://me:s3cret@proxy.example:1080",
    "another port": "http://me:s3cret@proxy.example:x",
    "no host": "http://",
    "a path": "file:///s3cret",
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("named", ["proxy-url", "HTTPS_PROXY"])
def test_what_is_no_proxy_that_can_be_used_is_refused_by_name_and_without_its_password(
    value: str, named: str
) -> None:
    proxy_url, environment = (value, {}) if named == "proxy-url" else (None, {named: value})
    with pytest.raises(ProxyError) as refused:
        proxy_for("https://api.example", proxy_url, environment)

    assert named in str(refused.value)
    assert "s3cret" not in str(refused.value)
