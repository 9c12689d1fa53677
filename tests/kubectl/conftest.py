"""A world with an operator for all of these tests, and people who use the plugin in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import install
from tests.integration.life import World
from tests.kubectl.terminal import PLUGIN, Terminal, ran

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from dev.controlplane import Assets, ControlPlane

ROOT = Path(__file__).parents[2]


def environment(assets: Assets, kubeconfig: Path) -> dict[str, str]:
    """With kubectl on the PATH, and no trace of a Pod or another kubeconfig."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "POD_"))}
    path = os.pathsep.join([str(assets.kubectl.parent), kept["PATH"]])
    return {**kept, "PATH": path, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")}


@dataclass(frozen=True)
class Person:
    """Uses the plugin in one Kubernetes namespace."""

    env: dict[str, str]
    namespace: str

    def runs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return ran([*PLUGIN, "--namespace", self.namespace, *arguments], self.env)

    def sits_at(self, *arguments: str, size: tuple[int, int] = (30, 100)) -> Terminal:
        return Terminal([*PLUGIN, "--namespace", self.namespace, *arguments], self.env, size)


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> ControlPlane:
    install(control_plane)
    return control_plane


@pytest.fixture(scope="module")
def world(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    # Two denials: `reader` tries to create a request, and a policy.
    with World(installed, tmp_path_factory.mktemp("world"), denials=2) as world:
        yield world


@pytest.fixture
def person(world: World) -> Person:
    return Person(environment(world.plane.assets, world.plane.kubeconfig), world.namespace)


@pytest.fixture
def reader(world: World) -> Person:
    """May look at requests, but not make any: the operator's own service account."""
    return Person(environment(world.plane.assets, world.plane.kubeconfig_for("operator")), world.namespace)


@pytest.fixture
def stranger(world: World, request: pytest.FixtureRequest) -> Person:
    """Works in a Kubernetes namespace that no operator serves."""
    name = f"unserved-{abs(hash(request.node.name))}"
    world.plane.kubectl("create", "namespace", name)
    return Person(environment(world.plane.assets, world.plane.kubeconfig), name)
