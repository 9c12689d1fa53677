"""Another Kubernetes than the one that the tests are written on, to see whether they hold there too.

Its go.mod is made from Kubernetes' own; Go's checksum database vouches for what comes. etcd is the cache's.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from dev import gotoolchain
from dev.cache import home
from dev.controlplane.assets import prepare, target
from dev.controlplane.building import CONTROLLER_MANAGER, SERVERS, ldflags
from dev.controlplane.errors import AssetsError
from dev.controlplane.progress import Progress
from dev.golang import GoError, GoModule, without_hosts
from dev.processes import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = re.compile(r"v[01]\.(\d+)\.(\d+)(?:-(alpha|beta|rc)\.(\d+))?")
STAGED = re.compile(r"(\S+) => \./staging/src/\S+")
"""A module that Kubernetes' go.mod takes from a folder of its repository."""
PACKAGES = [
    package
    for package in [*SERVERS.packages.values(), *CONTROLLER_MANAGER.packages.values()]
    if package.startswith("k8s.io/")
]


def prepare_other(version: str, environment: Mapping[str, str]) -> Path:
    """The folder with the programs, for KUBEBUILDER_ASSETS. AssetsError where they can't be built."""
    if not (version.startswith("v1.") and VERSION.fullmatch(version)):
        raise AssetsError(f"{version!r} is no version of Kubernetes, such as v1.31.14")
    cache = home(environment) / "control-plane" / f"{version}-{target()}"
    if cache.exists():
        return cache
    etcd = prepare(
        environment={key: each for key, each in environment.items() if key != "KUBEBUILDER_ASSETS"}
    ).etcd
    with Progress() as progress, scratch_folder(f".{cache.name}-", cache.parent) as scratch:
        module = scratch / "module"
        module.mkdir()
        title = f"Building Kubernetes {version}"
        note = f"{title} from source: 6 to 12 minutes on two cores, once; later runs find it in the cache."
        try:
            _write(module, version, environment, progress)
            out = GoModule(module, PACKAGES, title, note, ldflags(version)).build(
                scratch, environment, progress
            )
        except GoError as error:
            raise AssetsError(f"Kubernetes {version} can't be built: {error}") from error
        (out / "etcd").symlink_to(etcd)
        out.rename(cache)
    return cache


def _write(module: Path, version: str, environment: Mapping[str, str], progress: Progress) -> None:
    """go.mod and go.sum."""
    go = gotoolchain.find(environment, progress)
    variables = {**environment, **go.variables, "GOFLAGS": go.flags, "GOWORK": "off", "CGO_ENABLED": "0"}

    def run(*arguments: str) -> str:
        ran = subprocess.run(
            [go.program, *arguments], cwd=module, env=variables, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            told = without_hosts(ran.stderr.strip(), str(go.program), variables)
            raise GoError(f"`go {arguments[0]}`: {told[-800:]}")
        return ran.stdout

    progress.begin(f"Asking what Kubernetes {version} is made of")
    told = json.loads(run("list", "-m", "-json", f"k8s.io/kubernetes@{version}"))
    theirs = Path(told["GoMod"]).read_text()
    wanted = _staged(version)
    names = STAGED.findall(theirs)
    asked = [
        f"{name}@{wanted}" for name in names
    ]  # a list of a module's versions may lack some that there are
    lacking = run("list", "-e", "-m", "-f", "{{if .Error}}{{.Path}}{{end}}", *asked).split()
    listed = run("list", "-e", "-m", "-versions", *lacking).splitlines() if lacking else []
    versions = dict.fromkeys(names, wanted) | nearest(version, listed)
    for name, found in versions.items():
        if found != wanted:
            progress.say(f"Of {name} there is no {wanted}: {found}")
    (module / "go.mod").write_text(go_mod(theirs, version, versions))
    run("list", "-mod=mod", "-deps", *PACKAGES)


def nearest(version: str, listed: list[str]) -> dict[str, str]:
    """Each module's version of that release, or the newest before it: not all are always published.

    One of which there is none at all may not be needed; if it is, the build fails. `listed` is what
    `go list -m -versions` says.
    """
    wanted = _staged(version)
    found = {}
    for name, *versions in map(str.split, listed):
        there = [each for each in versions if VERSION.fullmatch(each) and _order(each) <= _order(wanted)]
        found[name] = next((each for each in reversed(there) if _minor(each) == _minor(wanted)), wanted)
    return found


def _staged(version: str) -> str:
    return version.replace("v1.", "v0.", 1)


def _minor(version: str) -> int:
    return _order(version)[0]


def _order(version: str) -> tuple[int, int, str, int]:
    [(minor, patch, stage, number)] = VERSION.findall(version)
    return int(minor), int(patch), stage or "release", int(number or 0)  # in the alphabet's order


def go_mod(theirs: str, version: str, versions: Mapping[str, str]) -> str:
    """Kubernetes' own, which names folders of its repository, as one of a module that requires it."""
    staged = STAGED.sub(lambda found: f"{found[1]} => {found[1]} {versions[found[1]]}", theirs)
    ours = staged.replace("module k8s.io/kubernetes\n", "module moorcheh.ai/operator/other\n", 1)
    return f"{ours}\nrequire k8s.io/kubernetes {version}\n"
