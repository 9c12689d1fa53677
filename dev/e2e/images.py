"""Images by buildah: the base of the Dockerfile, and a `docker` that is buildah for the README's commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dev.e2e.errors import E2EError
from dev.e2e.needs import SYSTEM

REGISTRY = "registry.example"
"""As in the README."""
PRIVATE = "private.example"
"""The same images, for those who have a password."""
PORTS = {REGISTRY: 80, PRIVATE: 5001}
USER, PASSWORD = "e2e", "only-in-this-network"
HTPASSWD = f"{USER}:$2b$05$eujLP39BFXvr5jaVBkik.One8fuz3YemhgC1P0bHeXeCwzw/Vvsti"
REGISTRIES = f"""
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "{REGISTRY}"
insecure = true
"""

PAUSE = f"{REGISTRY}/pause:1"
_PULL_SECONDS = 300
_DEBIAN_SECONDS = 1200
_PYTHON = "python3-minimal,python3-venv,python3-pip,python-is-python3,ca-certificates"


@dataclass(frozen=True)
class Base:
    name: str
    """As the Dockerfile names it."""
    python: str
    suite: str
    """Debian's, for one that is made here."""


def base_of(dockerfile: str) -> Base:
    found = re.search(r"^ARG PYTHON=(python:([\d.]+)-slim-(\w+))$", dockerfile, re.MULTILINE)
    if found is None:
        raise E2EError("the Dockerfile does not say its base as `ARG PYTHON=python:X-slim-SUITE` any more")
    return Base(found[1], found[2], found[3])


@dataclass(frozen=True)
class Buildah:
    folder: Path
    """Its images, settings and the `docker` are in there."""

    @property
    def docker(self) -> Path:
        """The folder to put into PATH."""
        return self.folder / "bin"

    def __call__(self, *arguments: str, seconds: float = 600) -> str:
        """Its standard output. On the network of the machine, not of the node."""
        return self._run(["host-network", "buildah", *arguments], seconds)

    def set_up(self, host_network: int) -> None:
        self.docker.mkdir(parents=True, exist_ok=True)
        (self.folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (self.folder / "registries.conf").write_text(REGISTRIES)
        (self.folder / "pip.conf").write_text(pip_conf(_pip_settings()))
        storage = f"--root={self.folder / 'images'} --runroot={self.folder / 'run'} --storage-driver=overlay"
        # chroot: no other isolation works where cgroups or mounts are restricted.
        build = "--isolation chroot --pull=false --volume /etc/ssl/certs:/etc/ssl/certs:ro"
        build += f" --volume {self.folder / 'pip.conf'}:/etc/pip.conf:ro"
        real = shutil.which("buildah", path=SYSTEM)
        policy = f"--signature-policy={self.folder / 'policy.json'}"
        self._script("host-network", f'exec nsenter --net=/proc/1/fd/{host_network} "$@"')
        self._script(
            "buildah",
            f"export CONTAINERS_REGISTRIES_CONF={self.folder / 'registries.conf'}",
            f'command=$1; shift; exec {real} {storage} "$command" "$@"',
        )
        self._script(
            "docker",
            'command=$1; shift; case "$command" in',
            f'  build) exec host-network buildah bud {policy} {build} "$@";;',
            f'  push) exec buildah push {policy} "$@";;',
            '  *) echo "docker $command: not known here" >&2; exit 125;;',
            "esac",
        )

    def base(self, base: Base, cache: Path) -> str:
        """The base is there when this returns, which says in words where it comes from."""
        name = f"docker.io/library/{base.name}"
        policy = f"--signature-policy={self.folder / 'policy.json'}"
        for origin, words in (
            ("pulled", "pulled from its registry"),
            ("debian", "made from Debian's packages"),
        ):
            archive = cache / f"{base.name.replace(':', '-')}-{origin}.tar"
            if archive.exists():
                self("pull", policy, f"docker-archive:{archive}")
                return f"{base.name}: {words}, by an earlier run ({archive})"
        cache.mkdir(parents=True, exist_ok=True)
        try:
            self("pull", policy, name, seconds=_PULL_SECONDS)
            origin, words = "pulled", "pulled from its registry"
        except (E2EError, subprocess.TimeoutExpired) as error:
            print(f"{base.name} can't be pulled here: {str(error).splitlines()[-1]}", flush=True)
            print("It is made from Debian's packages, by debootstrap: some minutes, once.", flush=True)
            self._from_debian(name, base)
            origin, words = "debian", "made from Debian's packages (no registry was reached)"
        archive = cache / f"{base.name.replace(':', '-')}-{origin}.tar"
        half = archive.with_suffix(".half")
        half.unlink(missing_ok=True)
        self("push", policy, name, f"docker-archive:{half}:{name}")
        half.rename(archive)
        return f"{base.name}: {words}"

    def pause(self, program: Path) -> None:
        context = self.folder / "pause"
        context.mkdir()
        shutil.copy2(program, context / "pause")
        (context / "Dockerfile").write_text(
            'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n'
        )
        self._run(["docker", "build", "-t", PAUSE, str(context)], 300)
        self._run(["docker", "push", PAUSE], 300)

    def _from_debian(self, name: str, base: Base) -> None:
        """Debian's own Python as the official image has it: `python`, and a `pip` that installs for all."""
        root = self.folder / "debian"
        self._run(
            [
                "host-network",
                "debootstrap",
                "--variant=minbase",
                f"--include={_PYTHON}",
                base.suite,
                str(root),
            ],
            _DEBIAN_SECONDS,
        )
        for marker in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        made = self("from", "scratch").strip()
        self("add", "--quiet", made, str(root), "/")
        self("config", "--cmd", "python3", made)
        self("commit", f"--signature-policy={self.folder / 'policy.json'}", "--quiet", "--rm", made, name)

    def _run(self, command: list[str], seconds: float) -> str:
        environment = {
            **os.environ,
            "PATH": f"{self.docker}:{SYSTEM}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
        }
        ran = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=seconds, check=False
        )
        if ran.returncode != 0:
            raise E2EError(
                f"{' '.join(command[:4])} …: exit {ran.returncode}\n{(ran.stderr or ran.stdout)[-1500:]}"
            )
        return ran.stdout

    def _script(self, name: str, *lines: str) -> None:
        file = self.docker / name
        file.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        file.chmod(0o755)


def _pip_settings() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def pip_conf(listed: str) -> str:
    """This machine's way to PyPI, for pip in the image's build: from what `pip config list` says."""
    wanted = {
        "index-url",
        "extra-index-url",
        "trusted-host",
        "cert",
        "timeout",
        "default-timeout",
        "proxy",
        "retries",
    }
    settings = dict(re.findall(r"^(?:global|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE))
    lines = [f"{key} = {value}" for key, value in settings.items() if key in wanted]
    return "\n".join(["[global]", *lines]) + "\n"
