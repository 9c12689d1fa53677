"""`make test-kubernetes`: the same tests on another version."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from dev.controlplane import AssetsError
from dev.controlplane.assets import cache_folder
from dev.controlplane.others import go_mod, nearest, prepare_other

ROOT = Path(__file__).parents[2]
THEIRS = """module k8s.io/kubernetes

go 1.22.0

require (
	github.com/x/y v1.2.3
	k8s.io/api v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
)
"""
GO = """#!/bin/sh
case "$*" in
version) echo go version go1.26.0 linux/amd64;;
"list -m -json k8s.io/kubernetes@v1.31.14") cat "$HOME/told";;
"list -e -m -f "*) echo k8s.io/api;;
"list -e -m -versions k8s.io/api") echo k8s.io/api v0.30.1 v0.31.13;;
"list "*) touch go.sum;;
build*)
    while [ "$1" != -o ]; do shift; done
    for program in kube-apiserver kubectl kube-controller-manager; do echo $* >"$2/$program"; done
    echo built >>"$HOME/builds";;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With a Go that only pretends, and the usual control plane in the cache."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    environment = {
        "PATH": f"{go.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for name in ("kube-apiserver", "etcd", "kubectl"):
        program = cache_folder(environment) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\necho Kubernetes v1.36.2\n")
        program.chmod(0o755)
    (tmp_path / "theirs.mod").write_text(THEIRS)
    (tmp_path / "told").write_text(json.dumps({"GoMod": str(tmp_path / "theirs.mod")}))
    return environment


def test_its_modules_are_those_that_kubernetes_names_in_that_version() -> None:
    ours = go_mod(THEIRS, "v1.31.14", {"k8s.io/api": "v0.31.14"})

    assert "k8s.io/api => k8s.io/api v0.31.14\n" in ours
    assert "require k8s.io/kubernetes v1.31.14\n" in ours
    assert "github.com/x/y v1.2.3" in ours
    assert not re.search(r"^module k8s.io/kubernetes$", ours, re.MULTILINE)


@pytest.mark.parametrize(
    ("version", "there", "taken"),
    [
        ("v1.31.14", "v0.30.9 v0.31.0-rc.1 v0.31.13 v0.31.14 v0.32.0", "v0.31.14"),
        ("v1.31.14", "v0.30.9 v0.31.9 v0.31.13 v0.32.0", "v0.31.13"),
        ("v1.38.0-beta.0", "v0.37.2 v0.38.0-alpha.3 v0.38.0-beta.0 v0.38.0-rc.0 v0.38.0", "v0.38.0-beta.0"),
        ("v1.38.0-beta.1", "v0.37.2 v0.38.0-alpha.3 v0.38.0-beta.0 v0.38.0-rc.0 v0.38.0", "v0.38.0-beta.0"),
    ],
)
def test_of_a_module_that_lacks_the_version_it_takes_the_one_before(
    version: str, there: str, taken: str
) -> None:
    assert nearest(version, [f"k8s.io/api {there}"]) == {"k8s.io/api": taken}


@pytest.mark.parametrize("there", ["", "v0.30.9 v0.32.0", "v0.31.15"])
def test_but_none_of_another_minor_version_and_none_that_is_newer(there: str) -> None:
    assert nearest("v1.31.14", [f"k8s.io/api {there}"]) == {"k8s.io/api": "v0.31.14"}


def test_it_is_built_once_beside_the_usual_one(environment: dict[str, str], tmp_path: Path) -> None:
    first = prepare_other("v1.31.14", environment)
    again = prepare_other("v1.31.14", environment | {"KUBEBUILDER_ASSETS": "/nowhere"})

    assert first == again
    assert first.parent == cache_folder(environment).parent
    assert {each.name for each in first.iterdir()} == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
    }
    assert (first / "etcd").resolve() == cache_folder(environment) / "etcd"
    assert (tmp_path / "builds").read_text() == "built\n"


@pytest.mark.parametrize("word", ["1.31", "v1.31", "latest", "v1.31.14; true", "v0.31.14", "v1.38.0-beta"])
def test_what_is_no_version_is_refused(word: str, environment: dict[str, str]) -> None:
    with pytest.raises(AssetsError, match=r"such as v1\.31\.14"):
        prepare_other(word, environment)


def test_one_that_can_not_be_had_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "go").write_text(
        "#!/bin/sh\n[ $1 = version ] && echo go1.26.0 && exit\necho gone >&2; exit 1\n"
    )

    with pytest.raises(AssetsError, match=r"v1\.31\.14 can't be built: .*gone"):
        prepare_other("v1.31.14", environment)


def test_the_tests_that_are_run_on_it_are_there() -> None:
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    [named] = re.findall(r"^KUBERNETES_TESTS := \$\(addprefix (.*)\)$", text, re.MULTILINE)
    prefix, _, names = named.partition(",")

    assert [name for name in names.split() if not (ROOT / f"{prefix}{name}").is_file()] == []
