"""The command `kubectl-moorcheh`, which kubectl runs as `kubectl moorcheh`.

Exit codes: 0 gone (or done), 1 failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from moorcheh_operator import __version__

if TYPE_CHECKING:
    from .api import Api
    from .flows import Flow
    from .looking import Looking
    from .screen import Screen

INTERRUPTED = 130
COMPLETE = "_KUBECTL_MOORCHEH_COMPLETE"

Context = click.Context


def main() -> NoReturn:
    """Ends with the exit code. A closed terminal or a SIGTERM counts as an interruption: it tidies up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        # A shell completes the program's own name, people call it through kubectl.
        name = "kubectl-moorcheh" if COMPLETE in os.environ else "kubectl moorcheh"
        code = group.main(standalone_mode=False, prog_name=name, complete_var=COMPLETE)
    except click.exceptions.Abort:
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # or Python would complain about it at exit
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


# Options that every command has, before it or after it


def _complete_context(context: Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _completing(context, incomplete, lambda api: api.contexts())


def _complete_namespace(context: Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _completing(context, incomplete, lambda api: api.namespaces())


def _requests(*phases: str) -> Callable[[Context, click.Parameter, str], list[CompletionItem]]:
    """Completes the names of requests in these phases; in any, if none is given."""

    def complete(context: Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _completing(context, incomplete, lambda api: api.requests(phases))

    return complete


CLUSTER_OPTIONS = (
    click.option(
        "-n",
        "--namespace",
        metavar="NAME",
        shell_complete=_complete_namespace,
        help="Kubernetes namespace of the requests.  [default: the context's]",
    ),
    click.option(
        "--context",
        "kube_context",
        metavar="NAME",
        shell_complete=_complete_context,
        help="Kubeconfig context to use.",
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False),
        metavar="FILE",
        help="Kubeconfig file to use.  [default: $KUBECONFIG, ~/.kube/config]",
    ),
)
OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "yaml"]),
    help="Write objects to standard output; words go to standard error.",
)
WAIT = click.option("--wait/--no-wait", default=True, show_default=True, help="Follow it to its end.")
YES = click.option("-y", "--yes", is_flag=True, help="Don't ask. Needed where there is no terminal.")
PREVIEW = click.option("--preview", is_flag=True, help="Only show what would be removed.")
EVERYWHERE = click.option("-A", "--all-namespaces", is_flag=True, help="Of all Kubernetes namespaces.")


def _with_cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """The cluster options; those given before the command count where it has none itself."""

    @functools.wraps(command)
    @click.pass_context
    def with_options(context: Context, /, **options: Any) -> Any:
        _inherit(context, options)
        return command(**options)

    for option in reversed(CLUSTER_OPTIONS):
        with_options = option(with_options)
    return with_options


def _inherit(context: Context, options: dict[str, Any]) -> None:
    outer = context.parent.params if context.parent is not None else {}
    for name in ("namespace", "kube_context", "kubeconfig"):
        options[name] = options.get(name) or outer.get(name)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 gone or done, 1 failed, 2 wrong use, 130 interrupted.",
)
@click.version_option(__version__, prog_name="kubectl-moorcheh")
def group(**_: object) -> None:
    """Delete namespaces of a Moorcheh server: see what would go, ask for it, follow it to its end.

    Each deletion is a NamespaceDeletion in the cluster, which the operator carries out and which stays as
    the receipt. This only writes such requests, with your own rights.
    """


for _option in reversed(CLUSTER_OPTIONS):
    _option(group)


def _name(_: Context, __: click.Parameter, value: str) -> str:
    from .wish import NAME  # noqa: PLC0415 - nothing is imported before it is needed

    if not NAME.fullmatch(value):
        raise click.BadParameter(
            f'{value!r} can\'t be the name of a Moorcheh namespace: 1 to 255 letters, digits, "-" and "_"'
        )
    return value


def _server(_: Context, __: click.Parameter, value: str | None) -> str | None:
    from .wish import SERVER  # noqa: PLC0415 - nothing is imported before it is needed

    if value is not None and not SERVER.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no server's name: a-z, 0-9 and -, not a URL")
    return value


def _time(_: Context, __: click.Parameter, value: str | None) -> str | None:
    from moorcheh_operator.api.times import parse_time  # noqa: PLC0415 - the same

    from .wish import TIME  # noqa: PLC0415 - the same

    if value is not None and (not TIME.fullmatch(value) or parse_time(value) is None):
        raise click.BadParameter(f"{value!r} must be a time with a zone, such as 2026-11-23T00:00:00Z")
    return value


@group.command()
@click.argument("name", callback=_name)
@PREVIEW
@YES
@WAIT
@click.option(
    "--created-before",
    metavar="TIME",
    callback=_time,
    help="Refuse unless the namespace was created earlier, such as 2026-11-23T00:00:00Z.",
)
@click.option(
    "--max-items", type=click.IntRange(min=0), metavar="N", help="Refuse if it holds more; 0: only if empty."
)
@click.option("--server", callback=_server, metavar="NAME", help="The server's name.  [default: default]")
@click.option("--fail-if-absent", is_flag=True, help="Count it as a failure if there is no such namespace.")
@OUTPUT
@_with_cluster
def delete(
    *,
    name: str,
    preview: bool,
    yes: bool,
    wait: bool,
    created_before: str | None,
    max_items: int | None,
    fail_if_absent: bool,
    server: str | None,
    **options: Any,
) -> int:
    """Delete the Moorcheh namespace NAME: show what is in it, ask, and follow the deletion.

    For the preview a suspended request is created, and removed again if you say no or leave. With --yes
    nothing is shown before. An interruption afterwards stops only the watching, never the deletion.
    """
    from .wish import Wish  # noqa: PLC0415 - nothing is imported before it is needed

    bounds = {"createdBefore": created_before, "maxItems": max_items}
    preconditions = {key: value for key, value in bounds.items() if value is not None}
    spec: dict[str, Any] = {"namespaceName": name}
    if server:
        spec["serverRef"] = {"name": server}
    if preconditions:
        spec["preconditions"] = preconditions
    if fail_if_absent:
        spec["ifAbsent"] = "Fail"
    return _run(
        options,
        lambda *where: _flow(*where).delete(Wish(spec), yes=yes, preview=preview, wait=wait),
        asks=not (yes or preview),
    )


@group.command()
@click.argument("name", shell_complete=_requests("Failed"))
@PREVIEW
@YES
@WAIT
@OUTPUT
@_with_cluster
def retry(*, name: str, preview: bool, yes: bool, wait: bool, **options: Any) -> int:
    """Ask again, by a fresh request, for what the failed request NAME asked for.

    Shown and confirmed like a delete. It says so if the namespace was created anew in between.
    """
    return _run(
        options,
        lambda *where: _flow(*where).retry(name, yes=yes, preview=preview, wait=wait),
        asks=not (yes or preview),
    )


@group.command()
@click.argument("name", shell_complete=_requests("Suspended"))
@YES
@WAIT
@OUTPUT
@_with_cluster
def approve(*, name: str, yes: bool, wait: bool, **options: Any) -> int:
    """Let the suspended request NAME go on, exactly as it is shown to you."""
    from .api import kubectl  # noqa: PLC0415 - nothing is imported before it is needed

    look = kubectl(
        "moorcheh describe",
        name,
        namespace=options["namespace"],
        context=options["kube_context"],
        kubeconfig=options["kubeconfig"],
    )
    return _run(
        options,
        lambda *where: _flow(*where).approve(name, yes=yes, wait=wait),
        asks=not yes,
        instead=f"give --yes; to only look: {look}",
    )


@group.command("list")
@EVERYWHERE
@OUTPUT
@_with_cluster
def list_(*, all_namespaces: bool, **options: Any) -> int:
    """List the requests."""
    return _run(options, lambda *where: _looking(*where).list(everywhere=all_namespaces))


@group.command()
@click.argument("name", shell_complete=_requests())
@OUTPUT
@_with_cluster
def describe(*, name: str, **options: Any) -> int:
    """Show all that is known of the request NAME, as a receipt."""
    return _run(options, lambda *where: _looking(*where).describe(name))


@group.command()
@EVERYWHERE
@OUTPUT
@_with_cluster
def watch(*, all_namespaces: bool, **options: Any) -> int:
    """Show all requests live; without a terminal, a line a change."""
    return _run(options, lambda *where: _looking(*where).watch(everywhere=all_namespaces))


# Running one


def _flow(api: Api, screen: Screen, namespace: str) -> Flow:
    from .flows import Flow  # noqa: PLC0415 - nothing is imported before it is needed

    screen.prepare()
    return Flow(api, screen, namespace)


def _looking(api: Api, screen: Screen, namespace: str) -> Looking:
    from .looking import Looking  # noqa: PLC0415 - nothing is imported before it is needed

    return Looking(api, screen, namespace)


def _run(
    options: dict[str, Any],
    action: Callable[[Api, Screen, str], int],
    *,
    asks: bool = False,
    instead: str = "give --yes, or --preview to only look",
) -> int:
    from .api import Api, ApiError  # noqa: PLC0415 - nothing is imported before it is needed
    from .flows import FAILED, StopError  # noqa: PLC0415 - the same
    from .screen import Screen  # noqa: PLC0415 - the same

    screen = Screen(options["output"])
    if asks and not screen.interactive:
        raise click.UsageError(f"there is no terminal to ask at: {instead}")
    try:
        api = Api(kubeconfig=options["kubeconfig"], context=options["kube_context"])
        return action(api, screen, options["namespace"] or api.namespace)
    except (ApiError, StopError) as error:
        screen.complain(str(error))
        return FAILED
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        screen.complain("the package rich is missing; from a checkout: pip install '.[kubectl]'")
        return FAILED


def _completing(
    context: Context, incomplete: str, candidates: Callable[[Any], list[str]]
) -> list[CompletionItem]:
    from .candidates import Candidates  # noqa: PLC0415 - nothing is imported before it is needed

    options = dict(context.params)
    _inherit(context, options)
    source = Candidates(options["kubeconfig"], options["kube_context"], options["namespace"])
    return [CompletionItem(name) for name in source.of(candidates) if name.startswith(incomplete)]
