"""What the harness judges by: every request as it arrived, and every incarnation that one destroyed.

The record is a fold over events, each of which is a line of `journal.jsonl` before it is anything else:
after a kill the journal is read back, and the record goes on as if nothing had happened.
"""

import json
import os
from collections import deque
from pathlib import Path
from typing import Any

from dev.moorcheh.clock import Moment, iso
from dev.moorcheh.disk import BrokenData
from dev.moorcheh.jobs import Job, Namespace

KEPT_REQUESTS = 20_000
"""How many requests of any kind stay in memory (all DELETEs do, and all of any kind are in the journal)."""


class Record:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._seq = 0
        self._forget()
        if path.exists():
            self._read_back()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def close(self) -> None:
        os.close(self._file)

    def reset(self) -> None:
        """Forget everything but the numbering: requests under way still refer to theirs."""
        os.ftruncate(self._file, 0)
        self._forget()

    def request(self, now: Moment, operation: str, name: str, wire: dict[str, Any]) -> int:
        """A request as it arrived, before any effect; its number is what later events refer to."""
        seq = self._seq + 1
        self._note({
            "event": "request", "seq": seq, "at": now.true, "monotonic": now.monotonic,
            "operation": operation, "name": name, **wire,
        })  # fmt: skip
        return seq

    def answered(self, now: Moment, seq: int, outcome: dict[str, Any]) -> None:
        """What became of a DELETE or POST: status (null: none was sent), effect, fault."""
        self._note({"event": "answer", "seq": seq, "answered_monotonic": now.monotonic, **outcome})

    def created(self, now: Moment, namespace: Namespace, by: str) -> None:
        self._note({
            "event": "created", "at": now.true, "monotonic": now.monotonic, "by": by,
            **_shown(namespace), "items": namespace.items,
        })  # fmt: skip

    def destroyed(self, now: Moment, job: Job, seq: int) -> None:
        """From the accept on an incarnation counts as destroyed: its items are being taken away."""
        self._note({
            "event": "destroyed", "at": now.true, "monotonic": now.monotonic, **_shown(job.namespace),
            "job_id": job.job_id, "seq": seq, "items": job.total,
        })  # fmt: skip

    def ended(self, now: Moment, job: Job, how: str) -> None:
        self._note({
            "event": "ended", "at": now.true, "monotonic": now.monotonic, "job_id": job.job_id,
            "how": how, "deleted_items": job.deleted_by(now.monotonic),
        })  # fmt: skip

    def restarted(self, now: Moment, surviving: set[str]) -> None:
        """The server starts: jobs that ran and are not among the `surviving` ones are lost."""
        self._note({
            "event": "started", "at": now.true, "monotonic": now.monotonic,
            "lost": [
                job_id for job_id, job in self._jobs.items()
                if job["how"] == "running" and job_id not in surviving
            ],
        })  # fmt: skip

    def as_json(self, *, requests: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "counts": self.counts,
            "deletes": list(self._deletes.values()),
            "creates": list(self._creates.values()),
            "incarnations": list(self._incarnations.values()),
            "destroyed": self._destroyed,
            "jobs": list(self._jobs.values()),
            "starts": self._starts,
        }
        return {**shown, "requests": list(self._requests)} if requests else shown

    def _forget(self) -> None:
        self.counts: dict[str, int] = {}
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._deletes: dict[int, dict[str, Any]] = {}
        self._creates: dict[int, dict[str, Any]] = {}
        self._incarnations: dict[str, dict[str, Any]] = {}
        self._destroyed: list[dict[str, Any]] = []
        self._jobs: dict[str, dict[str, Any]] = {}
        self._starts: list[float] = []

    def _note(self, event: dict[str, Any]) -> None:
        os.write(self._file, json.dumps(event).encode() + b"\n")
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "request":
                operation, seq = event["operation"], event["seq"]
                self._seq = seq
                self.counts[operation] = self.counts.get(operation, 0) + 1
                self._requests.append(event)
                if operation in ("delete", "create"):
                    (self._deletes if operation == "delete" else self._creates)[seq] = event
            case "answer":
                seen = self._deletes.get(event["seq"]) or self._creates.get(event["seq"])
                if seen is not None:
                    seen.update({key: event[key] for key in event if key not in ("event", "seq")})
            case "created":
                self._incarnations[event["incarnation"]] = event
            case "destroyed":
                request = self._deletes.get(event["seq"], {})
                self._destroyed.append({**event, "request_id": request.get("request_id")})
                self._jobs[event["job_id"]] = {
                    **{key: event[key] for key in ("job_id", "name", "incarnation", "seq")},
                    "total_items": event["items"], "began": event["monotonic"],
                    "how": "running", "deleted_items": 0, "ended": None,
                }  # fmt: skip
            case "started":
                self._starts.append(event["at"])
                for job_id in event["lost"]:
                    self._jobs[job_id] |= {"how": "lost", "ended": event["monotonic"]}
            case "ended":
                job = self._jobs.get(event["job_id"])
                if job is not None:
                    job |= {"how": event["how"], "ended": event["monotonic"]}
                    job["deleted_items"] = event["deleted_items"]

    def _read_back(self) -> None:
        """What a kill cut short is half a line at the end, which is cut off."""
        whole = 0
        with self._path.open("rb") as journal:
            for line in journal:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._apply(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise BrokenData(
                        f"{self._path} is no journal, from byte {whole} on: {error!r}"
                    ) from error
                whole += len(line)
        os.truncate(self._path, whole)


def _shown(namespace: Namespace) -> dict[str, Any]:
    return {
        "name": namespace.name,
        "incarnation": namespace.incarnation,
        "precious": namespace.precious,
        "created_at": iso(namespace.created),
        "born": namespace.born,
    }
