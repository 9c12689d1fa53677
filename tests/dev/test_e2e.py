"""What `make e2e` decides without a node: which commands a reader would type, what is missing, the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dev.controlplane.version import VERSION
from dev.e2e import claims_differences, document, images, programs
from dev.e2e.errors import E2EError
from dev.e2e.needs import PACKAGES, missing_packages, missing_rights
from dev.e2e.network import IPV4, IPV6, Network
from dev.e2e.results import Report, Row, table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "install.md").read_text()
PAGE = """# Page

## First

```console
$ one --flag \\
    --more       # said of it
said by one
$ two
```

```yaml
# no heading
a: 1
```

### Below it

Then `three -k .`, and `three --late`.

## Second

```console
$ four
```
"""


# The commands of a document


def test_a_section_ends_at_the_next_heading_of_its_level() -> None:
    first = document.section(PAGE, "First")

    assert "three" in first
    assert "four" not in first
    assert document.yaml_blocks(first) == ["# no heading\na: 1\n"]


def test_a_command_is_what_would_be_copied() -> None:
    """With the lines that go on with it; without what it prints, and without remarks."""
    assert document.commands(PAGE) == ["one --flag \\\n    --more", "two", "four"]


def test_commands_within_a_sentence_are_found_by_their_program() -> None:
    assert document.inline_commands(PAGE, "three") == ["three -k .", "three --late"]


def test_a_section_that_is_gone_is_an_error() -> None:
    with pytest.raises(E2EError, match="no section 'Third'"):
        document.section(PAGE, "Third")


@pytest.mark.parametrize(
    ("page", "heading", "beginnings"),
    [
        pytest.param(
            README,
            "Install it into a cluster",
            ["docker build", "docker push", "kubectl apply -k", "kubectl create", "kubectl apply -k ."],
            id="install",
        ),
        pytest.param(GUIDE, "4. Try it", ["kubectl apply -f", "kubectl wait", "kubectl get"], id="try"),
        pytest.param(GUIDE, "A private registry", ["kubectl create secret docker-registry"], id="registry"),
    ],
)
def test_the_documents_have_the_commands_that_are_run(page: str, heading: str, beginnings: list[str]) -> None:
    found = document.commands(document.section(page, heading))

    assert [
        command[: len(beginning)] for command, beginning in zip(found, beginnings, strict=True)
    ] == beginnings


@pytest.mark.parametrize("heading", ["OpenShift", "A quota", "A private registry"])
def test_each_difference_of_clusters_has_its_patch(heading: str) -> None:
    [text] = document.yaml_blocks(document.section(GUIDE, heading))
    [patch] = yaml.safe_load(text)["patches"]

    assert yaml.safe_load(patch["patch"])


# What the machine lacks


def test_packages_are_named_for_the_programs_that_are_not_there() -> None:
    there = PACKAGES.keys() - {"buildah", "unshare", "nsenter"}

    assert missing_packages(lambda name: name if name in there else None) == ["buildah", "util-linux"]
    assert missing_packages(lambda name: name) == []


@pytest.mark.parametrize(
    ("system", "user", "cgroups", "ipv6", "words"),
    [
        pytest.param("linux", 0, True, True, [], id="all-there"),
        pytest.param("darwin", 501, False, False, ["Linux", "root", "/sys/fs/cgroup", "IPv6"], id="a-laptop"),
        pytest.param("linux", 1000, True, True, ["root"], id="no-root"),
        pytest.param("linux", 0, True, False, ["--stage IPv4"], id="no-ipv6"),
    ],
)
def test_what_no_package_brings_is_said(
    system: str, user: int, cgroups: bool, ipv6: bool, words: list[str]
) -> None:
    missing = missing_rights(system=system, user=user, cgroups=cgroups, ipv6=ipv6)

    assert len(missing) == len(words)
    assert all(word in line for word, line in zip(words, missing, strict=True))


# The table


def test_the_table_says_what_held_and_what_did_not(tmp_path: Path) -> None:
    report = Report(tmp_path / "report")
    with report.claim("this holds") as seen:
        seen.append("3 of 3")
    with report.claim("that doesn't"):
        raise E2EError("first line\nsecond line")

    first, second, third, last = table(report.rows()).splitlines()
    assert re.fullmatch(r"held {4}this holds +0 s {2}3 of 3", first)
    assert re.fullmatch(r"FAILED {2}that doesn't +0 s {2}first line", second)
    assert third.split() == ["second", "line"]
    assert last == "1 of 2 held."


def test_nothing_goes_on_after_what_is_vital(tmp_path: Path) -> None:
    report = Report(tmp_path / "report")

    with pytest.raises(E2EError, match="the node: gone"), report.claim("the node", vital=True):
        raise E2EError("gone")
    assert [row.held for row in report.rows()] == [False]


def test_an_interrupt_is_no_row(tmp_path: Path) -> None:
    report = Report(tmp_path / "report")

    with pytest.raises(KeyboardInterrupt), report.claim("long"):
        raise KeyboardInterrupt
    assert report.rows() == []


def test_a_long_failure_is_cut() -> None:
    assert len(table([Row("x", held=False, seen="line\n" * 100)]).splitlines()) < 20


# Node and images


@pytest.mark.parametrize("network", [IPV4, IPV6], ids=lambda network: network.name)
def test_the_networks_are_of_one_family(network: Network) -> None:
    v6 = network is IPV6
    addresses = [
        network.node,
        network.pods,
        network.services,
        network.kubernetes,
        network.moorcheh,
        network.everywhere,
    ]

    assert [":" in address for address in addresses] == [v6] * len(addresses)
    assert network.at(80) == ("[fd77::1]:80" if v6 else "10.77.0.1:80")


def test_the_node_is_of_the_control_plane_s_version() -> None:
    pinned = (programs.MODULE / "go.mod").read_text()

    assert f"k8s.io/kubernetes {VERSION} " in pinned


def test_the_base_is_what_the_dockerfile_names() -> None:
    base = images.base_of((ROOT / "Dockerfile").read_text())

    assert base.name == f"python:{base.python}-slim-{base.suite}"
    with pytest.raises(E2EError, match="ARG PYTHON"):
        images.base_of("FROM scratch\n")


def test_pip_in_the_image_goes_the_way_of_pip_here() -> None:
    listed = "global.cert='/etc/ssl/certs/ca.crt'\n:env:.index-url='http://pypi.example/simple'\n:env:.find-links='/opt'\ninstall.user='yes'\n"

    assert (
        images.pip_conf(listed)
        == "[global]\ncert = /etc/ssl/certs/ca.crt\nindex-url = http://pypi.example/simple\n"
    )


def test_the_user_of_openshift_is_none_of_the_image_s() -> None:
    assert str(claims_differences.RANDOM_USER["runAsUser"]) not in (ROOT / "Dockerfile").read_text()
