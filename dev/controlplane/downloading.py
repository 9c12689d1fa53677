"""The download: the envtest archive of the Kubernetes project, believed only by its checksum."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, cast

from dev.controlplane.errors import UnusableError
from dev.controlplane.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from dev.controlplane.progress import Progress

CONNECT_SECONDS = 5.0
"""For name, connection and the answer's head together: without a network the next way is tried soon."""

READ_SECONDS = 20.0
"""Without a byte. A slow line may take as long as it needs."""

_CHUNK = 1 << 18


@dataclass(frozen=True)
class Release:
    url: str
    sha512: str


def _release(target: str, sha512: str) -> Release:
    base = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
    return Release(f"{base}/envtest-{VERSION}/envtest-{VERSION}-{target}.tar.gz", sha512)


RELEASES = {
    target: _release(target, sha512)
    for target, sha512 in {
        "linux-amd64": (
            "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dc"
            "f30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08"
        ),
        "linux-arm64": (
            "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae2818"
            "1afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac"
        ),
    }.items()
}


def download(scratch: Path, release: Release | None, progress: Progress) -> Path:
    """The folder with the three programs, inside `scratch`."""
    if release is None:
        msg = "no archive with a known checksum for this kind of machine"
        raise UnusableError(msg)
    archive = scratch / "archive.tar.gz"
    try:
        digest = _fetch(release.url, archive, progress)
    except (OSError, HTTPException) as error:
        msg = f"{release.url} can't be fetched ({error})"
        raise UnusableError(msg) from error
    if digest != release.sha512:
        archive.unlink()
        msg = (
            f"WRONG CHECKSUM of {release.url}: sha512 {digest} instead of {release.sha512}. "
            "What came was thrown away"
        )
        raise UnusableError(msg)
    return _unpack(archive, scratch / "programs")


def _fetch(url: str, archive: Path, progress: Progress) -> str:
    task = f"Downloading Kubernetes {VERSION}"
    progress.begin(task)
    answer = _open(url)
    digest = hashlib.sha512()
    length = answer.headers.get("Content-Length")
    total = int(length) if length else None
    done = 0
    with answer, archive.open("wb") as file:
        while chunk := answer.read(_CHUNK):
            digest.update(chunk)
            done += file.write(chunk)
            progress.update(task, done >> 20, total=total and total >> 20, unit="MiB")
    if total is not None and done < total:
        msg = f"it ended after {done} of {total} bytes"
        raise OSError(msg)
    return digest.hexdigest()


class _Opening(threading.Thread):
    """A look-up of a name has no time limit of its own, so it gets a thread that may be left behind."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.answer: _Answer | None = None
        self.error: OSError | HTTPException | None = None

    def run(self) -> None:
        try:
            self.answer = cast("_Answer", urllib.request.urlopen(self._url, timeout=READ_SECONDS))  # noqa: S310 - the URL is ours
        except (OSError, HTTPException) as error:
            self.error = error


class _Answer(IO[bytes]):
    headers: dict[str, str]


def _open(url: str) -> _Answer:
    opening = _Opening(url)
    opening.start()
    opening.join(CONNECT_SECONDS)
    if opening.error is not None:
        raise opening.error
    if opening.answer is None:
        msg = f"no answer within {CONNECT_SECONDS:.0f} s"
        raise TimeoutError(msg)
    return opening.answer


def _unpack(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for program in ("kube-apiserver", "etcd", "kubectl"):
                member = tar.extractfile(f"controller-tools/envtest/{program}")
                if member is None:
                    msg = f"{program} in the archive is no file"
                    raise UnusableError(msg)
                with member, (folder / program).open("wb") as file:
                    shutil.copyfileobj(member, file)
                (folder / program).chmod(0o755)
    except (tarfile.TarError, KeyError, EOFError) as error:
        msg = f"the archive can't be unpacked ({error})"
        raise UnusableError(msg) from error
    return folder
