"""The data directory: a JSON file a namespace, a JSON file a job (where jobs survive), replaced atomically.

A deletion's progress is not written step by step. A line of `deletions.jsonl` says when it began, the file
`alive` says until when the server was certainly alive, and at the next start the two give what is left. So a
deletion costs one line and one unlink however long it takes. (Making a file is what is slow: 0.3 ms of CPU on
ext4, where a line costs 5 µs.) Nothing is synced: it is to survive a kill of the process, not of the machine.
"""

import fcntl
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from dev.moorcheh.jobs import Job, Namespace


class BrokenData(Exception):  # noqa: N818 - reads as what it is in `except BrokenData`
    """The data directory can't be used; the message is one line for a person."""


class Disk:
    """Owns the directory: a second server on it is refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._deleting: set[str] = set()
        self._namespaces = folder / "namespaces"
        self._jobs = folder / "jobs"
        try:
            self._namespaces.mkdir(parents=True, exist_ok=True)
            self._jobs.mkdir(exist_ok=True)
            self._lock = (folder / "lock").open("w")
            self._alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT)
            self._deletions = os.open(folder / "deletions.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise BrokenData(f"can't use {folder} as the data directory: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BrokenData(f"another server uses {folder}") from error

    def close(self) -> None:
        os.close(self._alive)
        os.close(self._deletions)
        self._lock.close()

    def note_alive(self, monotonic: float) -> None:
        os.pwrite(self._alive, f"{monotonic:20.3f}".encode(), 0)

    def last_alive(self) -> float:
        """The monotonic time until which the server before this one certainly ran; 0: there was none."""
        text = os.pread(self._alive, 64, 0).strip()
        try:
            return float(text or 0)
        except ValueError as error:
            raise BrokenData(f"{self.folder / 'alive'} holds no time") from error

    def save_namespace(self, namespace: Namespace) -> None:
        """The namespace as it is, not being deleted."""
        _replace(self._namespace_file(namespace.name), namespace.as_json())
        if namespace.incarnation in self._deleting:
            self._deleting.discard(namespace.incarnation)
            self._note_deletion([namespace.incarnation, None])

    def save_deletion(self, job: Job) -> None:
        """The job takes the items of its (listed) namespace away from now on."""
        self._deleting.add(job.namespace.incarnation)
        deletion = [job.begun.monotonic, job.seconds, job.plan.fraction, job.total]
        self._note_deletion([job.namespace.incarnation, deletion])

    def remove_namespace(self, namespace: Namespace) -> None:
        self._deleting.discard(namespace.incarnation)
        self._namespace_file(namespace.name).unlink(missing_ok=True)

    def save_job(self, job: Job) -> None:
        _replace(self._jobs / f"{job.job_id}.json", job.as_json())

    def remove_job(self, job_id: str) -> None:
        (self._jobs / f"{job_id}.json").unlink(missing_ok=True)

    def load_namespaces(self) -> list[Namespace]:
        """What is left of each, in order of creation; what was being deleted is saved as it is now."""
        alive, deletions = self.last_alive(), self._load_deletions()
        found = []
        for path in self._namespaces.glob("*.json"):
            try:
                namespace = Namespace(**json.loads(path.read_bytes()))
            except (ValueError, TypeError) as error:
                raise BrokenData(f"{path} is no namespace: {error}") from error
            if (deletion := deletions.get(namespace.incarnation)) is not None:
                begun, seconds, fraction, total = deletion
                done = (alive - begun) / seconds if seconds > 0 else 1.0
                namespace.items = int(total) - int(total * max(0.0, min(done, fraction)))
                self.save_namespace(namespace)
            found.append(namespace)
        os.ftruncate(self._deletions, 0)
        return sorted(found, key=lambda namespace: (namespace.born, namespace.name))

    def _load_deletions(self) -> dict[str, list[float] | None]:
        path = self.folder / "deletions.jsonl"
        try:
            # What follows the last line break was cut short by a kill.
            return dict(json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])
        except (ValueError, TypeError) as error:
            raise BrokenData(f"{path} is no list of deletions: {error}") from error

    def _note_deletion(self, line: list[object]) -> None:
        os.write(self._deletions, json.dumps(line).encode() + b"\n")

    def load_jobs(self, monotonic: float) -> list[Job]:
        """The jobs that survived; running ones go on where they were, `monotonic` being now."""
        alive = self.last_alive()
        found = []
        for path in self._jobs.glob("*.json"):
            try:
                job = Job.parse(json.loads(path.read_bytes()))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise BrokenData(f"{path} is no job: {error}") from error
            if job.finished is None:
                job.begun = job.begun.plus(monotonic - max(alive, job.begun.monotonic))
            found.append(job)
        return sorted(found, key=lambda job: job.begun.true)

    def forget_jobs(self) -> None:
        for path in self._jobs.glob("*.json"):
            path.unlink()

    def _namespace_file(self, name: str) -> Path:
        # The digest keeps `Docs` and `docs` apart where the file system does not, and long names possible.
        return self._namespaces / f"{name[:150]}-{sha256(name.encode()).hexdigest()[:12]}.json"


def _replace(path: Path, content: dict[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content))
    draft.replace(path)
