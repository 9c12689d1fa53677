"""`python -m dev.reference`: writes docs/reference.md from the CRD and the code: it can't go stale."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from moorcheh_kubectl import cli as plugin
from moorcheh_kubectl.request_body import APPROVED_BY, REQUESTED_BY, RETRY_OF
from moorcheh_operator.api.status import Phase, Reason
from moorcheh_operator.lifecycle import retention
from moorcheh_operator.lifecycle.announcements import LONG_WAIT_SECONDS, SUBMITTED, WAITS
from moorcheh_operator.metrics import ENDS, Metrics
from moorcheh_operator.process import cli, logs
from moorcheh_operator.process.check import check

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "docs" / "reference.md"
REQUEST, POLICY = ("crds/namespacedeletions.yaml", "crds/namespacecleanuppolicies.yaml")

REASONS: dict[Phase, dict[Reason, str]] = {
    Phase.PENDING: {
        Reason.SERVER_NOT_FOUND: "no such server is known, or its name now means another URL",
        Reason.SERVER_UNAVAILABLE: "Moorcheh can't be reached, or gave no listing that can be read",
        Reason.REFUSED: "Moorcheh answered the DELETE with 401, 403 or 429",
        Reason.TARGET_BUSY: "another request owns the same target",
        Reason.WAITING_FOR_SLOT: "as many jobs run as the operator allows",
        Reason.NAMESPACE_TERMINATING: "its Kubernetes namespace is being deleted; nothing is sent",
        Reason.NAMESPACE_UNVERIFIED: "the API server does not say whether that is so; nothing is sent before",
        Reason.RETRYING: "an attempt failed at the server, and another one may follow",
        Reason.NOT_ALLOWED: "its server does not allow it; after a minute of that it has failed",
        Reason.PROTECTED: "the name is protected on its server; after a minute of that it has failed",
    },
    Phase.SUSPENDED: {Reason.SUSPENDED: "held by `spec.suspend`; a live preview"},
    Phase.SUBMITTING: {
        Reason.SUBMITTING: "the attempt is recorded, its DELETE is on its way",
        Reason.VERIFYING: "what became of the DELETE is not known; the listing is read until it tells",
    },
    Phase.RUNNING: {
        Reason.JOB_RUNNING: "the server works on it",
        Reason.POLL_FAILING: "the server does not tell how far it is, or, once it is done, what is listed",
        Reason.DELETION_ACCEPTED: "the server accepted it and gave no job; the listing will tell",
        Reason.STILL_LISTED: "the job completed, and the listing still shows it; it is looked at again",
    },
    Phase.SUCCEEDED: {
        Reason.DELETION_COMPLETED: "the server's job said so",
        Reason.ALREADY_ABSENT: "not there at the first look; nothing was sent",
        Reason.VERIFIED_ABSENT: "two looks agree that it is gone, but no job was seen to end",
        Reason.TARGET_REPLACED: "gone, and a newer one has its name, which was left alone",
    },
    Phase.FAILED: {
        Reason.JOB_FAILED: "the job failed, and another attempt would not be safe",
        Reason.BACKOFF_LIMIT_EXCEEDED: "all attempts failed",
        Reason.REJECTED: "Moorcheh answered the DELETE with 400 or 422",
        Reason.TARGET_ABSENT: "not there, and `spec.ifAbsent` is `Fail`",
        Reason.PRECONDITION_FAILED: "a precondition is not met",
        Reason.PRECONDITION_UNVERIFIABLE: "the server shows too little to check that it is the right one",
        Reason.STILL_LISTED: "the job completed, and half a minute later the namespace is still listed",
        Reason.TARGET_NEWER_THAN_REQUEST: "the namespace was created after the request",
        Reason.DEADLINE_EXCEEDED: "not ended within `spec.activeDeadlineSeconds`",
        Reason.OUTCOME_UNKNOWN: "a DELETE may have been sent, and nothing tells what became of it",
        Reason.RESTORED_FROM_BACKUP: "it is a copy, or came back from a backup or with etcd; nothing is sent",
        Reason.INVALID_SPEC: "it has a field that does not exist, or one that is null; nothing more is sent",
        Reason.WITHDRAWN: "its object was deleted, and a finalizer keeps it; nothing more is sent",
        Reason.NOT_ALLOWED: "its server takes no requests from this namespace, or not for this name",
        Reason.PROTECTED: "the name is protected on its server",
    },
}
CONDITIONS = (
    ("Ready", "True: succeeded. False: failed, and only then. Unknown: under way. Absent while suspended."),
    ("Finished", "True: ended, either way. False: not yet. Always there."),
    ("Reconciling", "True while it is under way, else absent."),
    ("Stalled", "True once it has failed, else absent."),
)
LOG_FIELDS = {
    "request": "the NamespaceDeletion, as namespace/name",
    "uid": "its `metadata.uid`",
    "target": "the Moorcheh namespace",
    "attempt": "`status.attempt.id`; the DELETE's X-Request-Id is `uid/attempt`",
    "number": "`status.attempt.number`",
    "job": "the server's job id",
    "code": "HTTP status code of the DELETE's answer, or the error's name",
    "items": "items that the jobs of all attempts reported as removed",
    "created_at": "the target's creation time, in the server's own words",
    "seconds": "how long the call took",
    "object": "the beginning of an object that can't be read",
    "policy": "the NamespaceCleanupPolicy, as namespace/name",
}
JSON_FIELDS = {
    "time": "UTC, RFC 3339 with milliseconds",
    "level": "INFO, WARNING or ERROR",
    "logger": "the module that says it",
    "message": "the sentence",
    "exc_info": "the traceback of an unexpected error",
}
ANNOTATIONS = {
    REQUESTED_BY: "who created the request, as the API server knew the caller",
    APPROVED_BY: "who let it go: created it without `suspend`, or set `suspend` to false before its end",
    "moorcheh.ai/copy-of": "the request was created from a copy of another object. Nothing is sent for it",
    RETRY_OF: "the failed request that this one repeats: written by `kubectl moorcheh retry` alone",
}
CLEANUP = """\
Results of runs, reasons of the conditions, and what is an Event: [cleanup.md](cleanup.md#what-a-run-says).
The requests of a policy have the labels `moorcheh.ai/cleanup-policy` (its name) and
`moorcheh.ai/cleanup-policy-uid`, and the annotation `moorcheh.ai/cleanup-run` (the time of the run).
"""
HEAD = """\
# Reference

Made from the CRD and the code by `python -m dev.reference`; a test compares it.
What to do about a reason is in [troubleshooting.md](troubleshooting.md).
"""


def rendered() -> str:
    sections = [HEAD, *_kind(REQUEST), *_life(), *_kind(POLICY), CLEANUP, *_output(), *_options(), *_plugin()]
    return "\n".join(section.rstrip("\n") + "\n" for section in sections)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(header), ["---"] * len(header), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


# The two kinds


def _kind(file: str) -> Iterator[str]:
    crd: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())["spec"]
    names, version = crd["names"], crd["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    api = f"{crd['group']}/{version['name']}"
    yield (
        f"## {names['kind']}\n\n`{api}`, plural `{names['plural']}`, short "
        f"`{'`, `'.join(names['shortNames'])}`, category `{'`, `'.join(names['categories'])}`. "
        f"{schema['description']}"
    )
    for part in ("spec", "status"):
        body = schema["properties"][part]
        yield f"### {part}\n\n{body['description']}\n"
        yield _table(("Field", "Type", "Default", "Meaning"), _rows(part, body))
    yield "### Rules of the API server\n\n" + "\n".join(f"- {rule}." for rule in _rules(schema))
    columns = version["additionalPrinterColumns"]
    yield "### Columns\n"
    yield _table(
        ("Column", "Shown", "Meaning"),
        (
            (column["name"], "with `-o wide`" if column.get("priority") else "always", column["description"])
            for column in columns
        ),
    )
    if "selectableFields" in version:
        fields = "`, `".join(field["jsonPath"].lstrip(".") for field in version["selectableFields"])
        yield f"Field selectors: `{fields}`."


def _rows(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        default = "required" if name in required else _default(field.get("default"))
        yield f"`{where}`", _type(field), default, field["description"]
        yield from _rows(where, field)
        if "items" in field:
            yield from _rows(f"{where}[]", field["items"])


def _default(value: object) -> str:
    """As in YAML."""
    return "" if value is None else yaml.safe_dump(value, default_flow_style=True).partition("\n")[0]


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        values = (_default(value) if isinstance(value, bool) else value for value in field["enum"])
        return ", ".join(f"`{value}`" for value in values)
    bounds = [f"{sign} {field[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in field]
    kind = "time" if field.get("format") == "date-time" else str(field["type"])
    return ", ".join([kind, *bounds])


def _rules(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        where = f"{path}{rule.get('fieldPath', '')}".lstrip(".")
        named = rule["message"].startswith(("spec.", "status.", "metadata."))
        yield rule["message"] if named else f"`{where}`: {rule['message']}"
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _life() -> Iterator[str]:
    yield "## Phases, reasons, conditions\n"
    yield _table(
        ("Phase", "Reason", "Meaning"),
        (
            (phase, f"`{reason}`", words)
            for phase, reasons in REASONS.items()
            for reason, words in reasons.items()
        ),
    )
    yield _table(("Condition", "Meaning"), CONDITIONS)


# What it tells


def _output() -> Iterator[str]:
    yield "## Events\n"
    yield _table(("Type", "Reason", "When"), events())
    yield "## Metrics\n\n`/metrics` at `HTTP_ADDRESS`, beside `/healthz` and `/readyz`."
    yield "Polls are the calls with operation `job`.\n"
    yield _table(("Metric", "Type", "Labels", "Meaning"), _metrics())
    yield "## Log fields\n\nTo standard error, with `LOG_FORMAT=json` as an object a line."
    yield "In text, the request's fields are at the end of the line.\n"
    yield _table(
        ("Field", "Meaning"),
        [(f"`{name}`", words) for name, words in JSON_FIELDS.items()]
        + [(f"`{name}`", LOG_FIELDS[name]) for name in logs.FIELDS],
    )


def events() -> Iterator[tuple[str, str, str]]:
    yield (
        "Normal",
        f"`{SUBMITTED}`",
        "the server took the first DELETE",
    )
    yield (
        "Warning",
        f"`{Reason.RETRYING}`",
        "an attempt failed, and another one may follow; one Event with the count of attempts that failed",
    )
    yield "Warning", f"`{Reason.VERIFYING}`", "the answer to the DELETE was lost or unclear"
    for phase, reasons in ENDS.items():
        for reason in reasons:
            kind = "Normal" if phase is Phase.SUCCEEDED or reason is Reason.WITHDRAWN else "Warning"
            yield kind, f"`{reason}`", f"the end: {REASONS[phase][reason]}"
    for reason, kind in WAITS.items():
        yield (
            kind,
            f"`{reason}`",
            f"it has been waiting for that for {LONG_WAIT_SECONDS[kind]:.0f} s or longer",
        )
    yield (
        "Warning",
        f"`{retention.IGNORED}`",
        "`spec.ttlSecondsAfterFinished` is ignored: Git or Helm would make it again",
    )
    yield (
        "Warning",
        f"`{retention.FORBIDDEN}`",
        "`spec.ttlSecondsAfterFinished` has no effect: the operator may not delete",
    )


def _metrics() -> Iterator[tuple[str, str, str, str]]:
    endings = {"counter": "_total", "info": "_info"}
    metrics = Metrics()
    metrics.count_api_call("GET", "200")
    metrics.time_moorcheh_call("list", "200", 0.0)
    metrics.show_requests(())
    for family in metrics.registry.collect():
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + endings.get(family.type, "")
        yield f"`{name}`", family.type, ", ".join(labels), family.documentation


# Commands


def _options() -> Iterator[str]:
    yield f"## Options of `moorcheh-operator run`\n\n{inspect.cleandoc(cli.run.help or '')}\n"
    yield _option_table(cli.run)
    yield (
        "## Options of `moorcheh-operator check`\n\nSee [check.md](check.md). "
        f"{inspect.cleandoc(check.help or '')}\n\n{check.epilog}\n"
    )
    yield _option_table(check)


def _option_table(command: click.Command) -> str:
    return _table(
        ("Option", "Environment", "Default", "Meaning"),
        (
            (
                f"`{option.opts[-1]}`",
                f"`{option.envvar}`" if option.envvar else "",
                "required"
                if option.required
                else f"`{option.default}`"
                if isinstance(option.default, str | int | float) and option.default != ""
                else "",
                option.help or "",
            )
            for option in command.params
            if isinstance(option, click.Option)
        ),
    )


def _plugin() -> Iterator[str]:
    yield (
        "## `kubectl moorcheh`\n\nSee [kubectl.md](kubectl.md). Exit codes: 0 gone or done, 1 failed, "
        "2 wrong use, 130 interrupted.\n"
    )
    context = click.Context(plugin.group)
    rows = []
    for name in plugin.group.list_commands(context):
        command = plugin.group.commands[name]
        argument = "".join(
            f" {each.human_readable_name}" for each in command.params if isinstance(each, click.Argument)
        )
        options = [
            "/".join((*each.opts, *each.secondary_opts))
            for each in command.params
            if isinstance(each, click.Option)
        ]
        shared = {"-s", *_shared(hidden=False), *_shared(hidden=True)}
        own = [f"`{option}`" for option in options if option not in shared]
        rows.append((f"`{name}{argument}`", (command.help or "").split(chr(10))[0], ", ".join(own)))
    yield _table(("Command", "What it does", "Options"), rows)
    shown, others = ("`, `".join(_shared(hidden=hidden)) for hidden in (False, True))
    yield (
        f"Every command also takes `{shown}` and kubectl's other global flags, which are handed to kubectl "
        f"as they are (`kubectl options` explains them): `{others}`. `delete` has a `--server` of its own: "
        "kubectl's is `-s` there.\n"
    )
    yield (
        "## Annotations of a request\n\nThe first three are written by the admission policies of "
        "`crds`, and nobody can write another name there: see "
        "[security.md](security.md#names-in-the-receipt). Without them, whoever creates a request types "
        "what they like.\n"
    )
    yield _table(("Annotation", "Meaning"), ((f"`{name}`", words) for name, words in ANNOTATIONS.items()))


def _shared(*, hidden: bool) -> list[str]:
    flags = ["/".join(each.opts) for each in plugin.KUBECTL_FLAGS if each.hidden is hidden]
    return sorted(flags, key=lambda names: names.rpartition("/")[2]) if hidden else flags


if __name__ == "__main__":
    OUTPUT.write_text(rendered())
