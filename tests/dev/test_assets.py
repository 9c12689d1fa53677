from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.controlplane import AssetsError, building, prepare, prepare_controller_manager
from dev.controlplane.assets import cache_folder, target
from dev.controlplane.downloading import CONNECT_SECONDS, READ_SECONDS, RELEASES, Release
from dev.controlplane.version import VERSION
from tests.dev.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.controlplane import Assets

ROOT = Path(__file__).parents[2]
PROGRAMS = ("kube-apiserver", "etcd", "kubectl")

# Builds programs that tell a version, and writes a line with their names to `builds` each time.
GO = f"""#!/bin/sh
case $1 in
version) echo go version go1.26.0 linux/amd64;;
list) echo one; echo two;;
build)
    while [ "$1" != -o ]; do shift; done
    folder=$2 built=
    shift 2
    for package; do
        program=${{package%/v3}}
        program=${{program##*/}} built="$built $program"
        printf '#!/bin/sh\\necho Kubernetes {VERSION}\\n' >"$folder/$program"
        chmod +x "$folder/$program"
    done
    echo $built >>"$HOME/builds";;
esac
"""


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)


def programs(folder: Path, version: str = VERSION) -> Path:
    for name in PROGRAMS:
        program(folder / name, f"#!/bin/sh\necho Kubernetes {version}\n")
    return folder


def archive(folder: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(programs(folder), "controller-tools/envtest")
    return out.getvalue()


@contextmanager
def served(content: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/programs.tar.gz"
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine without Go and without PyPI, whose cache is empty."""
    bare = tmp_path / "bin"
    bare.mkdir()
    return {
        "PATH": str(bare),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
    }


@pytest.fixture
def with_go(environment: dict[str, str]) -> dict[str, str]:
    program(Path(environment["PATH"]) / "go", GO)
    return {**environment, "PATH": f"{environment['PATH']}:/usr/bin:/bin"}


def builds(environment: dict[str, str]) -> list[str]:
    """The names of what was built, a line for each build."""
    told = Path(environment["HOME"]) / "builds"
    return told.read_text().splitlines() if told.exists() else []


def test_kubebuilder_assets_come_first(environment: dict[str, str], tmp_path: Path) -> None:
    mine = programs(tmp_path / "mine")
    programs(cache_folder(environment))

    found = prepare(environment={**environment, "KUBEBUILDER_ASSETS": str(mine)}, releases={})

    assert mine == found.folder
    assert found.origin.startswith("KUBEBUILDER_ASSETS")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param("v1.30.9", "v1.30.9 is older than 1.31", id="too old"),
        pytest.param("nonsense", "doesn't tell its version", id="no version"),
        pytest.param(None, "no kube-apiserver in", id="no program"),
    ],
)
def test_an_unusable_kubebuilder_assets_is_an_error(
    version: str | None, words: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Never passed over in silence, though the cache would do."""
    if version:
        programs(tmp_path / "mine", version)
    programs(cache_folder(environment))

    with pytest.raises(AssetsError, match=words):
        prepare(environment={**environment, "KUBEBUILDER_ASSETS": str(tmp_path / "mine")}, releases={})


def test_another_kubernetes_in_kubebuilder_assets_is_noted(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = programs(tmp_path / "mine", "v1.33.1")

    found = prepare(environment={**environment, "KUBEBUILDER_ASSETS": str(mine)}, releases={})

    assert found.version == "v1.33.1"
    assert "KUBEBUILDER_ASSETS has Kubernetes v1.33.1" in capsys.readouterr().err


def test_the_cache_comes_next(with_go: dict[str, str]) -> None:
    cache = programs(cache_folder(with_go))

    assert cache == prepare(environment=with_go, releases={}).folder
    assert builds(with_go) == []


def test_the_cache_may_be_moved() -> None:
    tail = f"moorcheh-operator/control-plane/{VERSION}-{target()}"

    assert Path.home() / ".cache" / tail == cache_folder({})
    assert Path("/x") / tail == cache_folder({"XDG_CACHE_HOME": "/x"})
    assert Path("/c") / tail == cache_folder({"XDG_CACHE_HOME": "/x", "CACHE": "/c"})


def test_a_download_with_the_right_checksum_is_kept(environment: dict[str, str], tmp_path: Path) -> None:
    content = archive(tmp_path / "made")
    with served(content) as url:
        releases = {target(): Release(url, hashlib.sha512(content).hexdigest())}
        first = prepare(environment=environment, releases=releases)
    again = prepare(environment=environment, releases={})

    assert "downloaded" in first.origin
    assert cache_folder(environment) == first.folder == again.folder
    assert "downloaded" not in again.origin


def test_a_download_with_a_wrong_checksum_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """It is an archive that would work; nothing of it is kept."""
    with served(archive(tmp_path / "made")) as url, pytest.raises(AssetsError, match="WRONG CHECKSUM"):
        prepare(environment=environment, releases={target(): Release(url, "0" * 128)})

    assert [path.suffix for path in cache_folder(environment).parent.iterdir()] == [".lock"]


def test_a_wrong_checksum_leaves_the_build(
    with_go: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(archive(tmp_path / "made")) as url:
        found = prepare(environment=with_go, releases={target(): Release(url, "0" * 128)})

    assert "built" in found.origin
    assert "WRONG CHECKSUM" in capsys.readouterr().err


def test_a_silent_server_is_given_up_soon(with_go: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/programs.tar.gz"
        begun = time.monotonic()
        found = prepare(environment=with_go, releases={target(): Release(url, "0" * 128)})

    assert "built" in found.origin
    assert CONNECT_SECONDS < time.monotonic() - begun < READ_SECONDS


def test_when_nothing_works_one_message_names_the_four_ways(environment: dict[str, str]) -> None:
    with pytest.raises(AssetsError) as refused:
        prepare(environment=environment, releases={})

    message = str(refused.value)
    assert re.findall(r"^  (\d)\. ", message, re.MULTILINE) == ["1", "2", "3", "4"]
    for way in ("KUBEBUILDER_ASSETS", str(cache_folder(environment)), "download", "Go 1.26"):
        assert way in message


def test_a_failed_build_tells_its_last_lines_without_the_module_proxy(environment: dict[str, str]) -> None:
    """A private proxy's address may carry a password."""
    program(
        Path(environment["PATH"]) / "go",
        """#!/bin/sh
        case $1 in
        version) echo go version go1.27.1 linux/amd64;;
        env) echo https://me:secret@modules.example.test:8443/go,direct; echo sum.golang.org;;
        *) echo 'https://me:secret@modules.example.test:8443/go/x: no route to modules.example.test'; exit 1
        esac""",
    )
    with pytest.raises(AssetsError, match=r"(?s)`go list` failed .* no route to") as refused:
        prepare(environment=environment, releases={})

    assert "secret" not in str(refused.value)
    assert "modules.example.test" not in str(refused.value)


def test_programs_that_do_not_run_are_made_anew(with_go: dict[str, str]) -> None:
    cache = programs(cache_folder(with_go))
    program(cache / "etcd", "#!/bin/sh\nexit 1\n")

    assert "built" in prepare(environment=with_go, releases={}).origin


def test_two_at_once_build_once(with_go: dict[str, str]) -> None:
    found = []
    both = [
        threading.Thread(target=lambda: found.append(prepare(environment=with_go, releases={})))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert [cache_folder(with_go)] * 2 == [assets.folder for assets in found]
    assert builds(with_go) == ["kube-apiserver kubectl server"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_leaves_nothing_half_done(
    number: signal.Signals, environment: dict[str, str]
) -> None:
    home = Path(environment["HOME"])
    program(
        Path(environment["PATH"]) / "go",
        """#!/bin/sh
        [ $1 = version ] && echo go version go1.26.0 && exit
        echo $$ >$HOME/pid
        exec /bin/sleep 300""",
    )
    command = "from dev.controlplane import prepare; prepare(releases={})"
    with subprocess.Popen(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    ) as making:
        assert until((home / "pid").exists)

        making.send_signal(number)

    kept = cache_folder(environment).parent
    assert until(lambda: [path.suffix for path in kept.iterdir()] == [".lock"])


# kube-controller-manager


def test_only_what_is_missing_is_built(with_go: dict[str, str]) -> None:
    """In a cache from a time without it, and once."""
    cache = programs(cache_folder(with_go))
    found = prepare(environment=with_go, releases={})

    first = prepare_controller_manager(found, environment=with_go)
    again = prepare_controller_manager(found, environment=with_go)

    assert first == again == cache / "kube-controller-manager"
    assert builds(with_go) == ["kube-controller-manager"]


def test_who_does_not_ask_for_it_does_not_wait_for_it(with_go: dict[str, str]) -> None:
    found = prepare(environment=with_go, releases={})

    assert not (found.folder / "kube-controller-manager").exists()


def test_it_stays_when_the_others_are_made_anew(with_go: dict[str, str]) -> None:
    cache = programs(cache_folder(with_go))
    program(cache / "kube-controller-manager", "#!/bin/sh\n")
    program(cache / "etcd", "#!/bin/sh\nexit 1\n")

    prepare_controller_manager(prepare(environment=with_go, releases={}), environment=with_go)

    assert builds(with_go) == ["kube-apiserver kubectl server"]


def test_one_that_does_not_run_is_built_anew(with_go: dict[str, str]) -> None:
    cache = programs(cache_folder(with_go))
    program(cache / "kube-controller-manager", "#!/bin/sh\nexit 1\n")

    prepare_controller_manager(prepare(environment=with_go, releases={}), environment=with_go)

    assert builds(with_go) == ["kube-controller-manager"]


@pytest.mark.parametrize("brought", [True, False])
def test_kubebuilder_assets_may_bring_it(with_go: dict[str, str], tmp_path: Path, *, brought: bool) -> None:
    """Without it, it is built into the cache: the folder is not ours."""
    mine = programs(tmp_path / "mine")
    if brought:
        program(mine / "kube-controller-manager", "#!/bin/sh\n")
    environment = {**with_go, "KUBEBUILDER_ASSETS": str(mine)}

    found = prepare_controller_manager(prepare(environment=environment), environment=environment)

    assert found.parent == (mine if brought else cache_folder(with_go))
    assert builds(with_go) == ([] if brought else ["kube-controller-manager"])


@pytest.mark.parametrize(
    ("version", "script", "words"),
    [
        pytest.param(VERSION, None, "(?s)No kube-controller-manager.* no `go` in PATH.* Go 1.26", id="no Go"),
        pytest.param(VERSION, "#!/bin/sh\nexit 3\n", r"KUBEBUILDER_ASSETS.*\(exit 3\)", id="does not run"),
        pytest.param("v1.33.1", None, f"No kube-controller-manager v1.33.1 .* {VERSION}", id="other version"),
    ],
)
def test_where_there_is_none_the_reason_is_told(
    version: str, script: str | None, words: str, environment: dict[str, str], tmp_path: Path
) -> None:
    mine = programs(tmp_path / "mine", version)
    if script:
        program(mine / "kube-controller-manager", script)
    environment = {**environment, "KUBEBUILDER_ASSETS": str(mine)}

    with pytest.raises(AssetsError, match=words):
        prepare_controller_manager(prepare(environment=environment), environment=environment)


def test_without_it_the_command_says_what_is_skipped_and_goes_on(environment: dict[str, str]) -> None:
    cache = programs(cache_folder(environment))

    told = subprocess.run(
        [sys.executable, "-m", "dev.controlplane", "assets"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert told.stdout == f"{cache}\n"
    assert "No kube-controller-manager" in told.stderr
    assert "The tests that need it are skipped." in told.stderr


def test_without_it_the_tests_that_need_it_are_skipped_and_say_why(
    assets: Assets, environment: dict[str, str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in PROGRAMS:
        (mine / name).symlink_to(assets.folder / name)

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/integration/test_terminating.py"],
        cwd=ROOT,
        env={**environment, "KUBEBUILDER_ASSETS": str(mine)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "No kube-controller-manager, which can only be built: no `go` in PATH" in ran.stdout
    assert " passed" not in ran.stdout


def test_the_build_is_of_the_version_that_is_named() -> None:
    pinned = (building.MODULE / "go.mod").read_text()

    assert f"k8s.io/kubernetes {VERSION}" in pinned
    assert set(re.findall(r"=> k8s\.io/\S+ (\S+)", pinned)) == {VERSION.replace("v1", "v0")}
    assert all(VERSION in release.url for release in RELEASES.values())


def test_a_relative_cache_works_too(with_go: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The build runs in another folder."""
    monkeypatch.chdir(with_go["HOME"])

    found = prepare(environment={**with_go, "CACHE": os.path.relpath(with_go["HOME"])}, releases={})

    assert found.folder.is_absolute()
