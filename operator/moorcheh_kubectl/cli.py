"""The command `kubectl-moorcheh`, which kubectl runs as `kubectl moorcheh`.

Exit codes: 0 gone (or done), 1 failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from moorcheh_operator import __version__

if TYPE_CHECKING:
    from .api import Api
    from .candidates import Candidates
    from .flows import Flow
    from .kubectl import Kubectl
    from .policies import Policies
    from .screen import Screen
    from .show import Show

FAILED, INTERRUPTED = 1, 130
COMPLETE = "_KUBECTL_MOORCHEH_COMPLETE"

Context = click.Context
Completer = Callable[[Context, click.Parameter, str], list[CompletionItem]]


def main() -> NoReturn:
    """Ends with the exit code."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may not have all characters
    try:
        # A shell completes the program's own name, people call it through kubectl.
        name = "kubectl-moorcheh" if COMPLETE in os.environ else "kubectl moorcheh"
        arguments = list(as_kubectl_reads(sys.argv[1:]))
        code = group.main(arguments, standalone_mode=False, prog_name=name, complete_var=COMPLETE)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except OSError as error:  # of standard output
        code = _unwritable(error)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends; all is said, and the code stands
    sys.exit(code if isinstance(code, int) else 0)


def _open_what_is_closed() -> None:
    """By /dev/null, as in kubectl. The next file that is opened would take a closed stream's number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123


def _interrupts_tidy_up() -> None:
    """From here on Ctrl-C, a SIGTERM and a closed terminal are answered in order; before, there is nothing to
    tidy up, and they end it as any program. Who ignores them (`nohup`, `&`) goes on doing so.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _unwritable(error: OSError) -> int:
    """As any other program: ended by SIGPIPE where nobody reads, an error line where the disk is full."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(error, BrokenPipeError):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer fails again at the exit
    sys.stderr.write(f"Error: the output can't be written: {error.strerror}\n")
    return FAILED


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


# kubectl's global flags, before the command or after it: the later one counts


def _complete(ask: Callable[[Candidates], list[str]]) -> Completer:
    def complete(context: Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from .candidates import Candidates  # noqa: PLC0415 - nothing is imported before it is needed

        flags = _flags(context)
        source = Candidates(flags, str(flags.pop("namespace", "")) or None)
        return [CompletionItem(name) for name in source.of(ask) if name.startswith(incomplete)]

    return complete


def _requests(*phases: str) -> Completer:
    """Completes the names of requests in these phases; in any, if none is given."""
    return _complete(lambda candidates: candidates.requests(phases))


def _flags(context: Context) -> dict[str, Any]:
    """Those that were given."""
    flags: dict[str, Any] = context.meta.setdefault("kubectl's flags", {})
    return flags


def _keep(context: Context, option: click.Parameter, value: Any) -> None:
    if value is None or value == ():
        return
    name = "server" if option.opts == ["-s"] else option.opts[-1].removeprefix("--")
    if isinstance(value, str) and not option.opts[0].startswith("--"):
        value = value.removeprefix("=")  # pflag takes `-n=team-a`, too
    kept = _flags(context)
    kept[name] = (*kept.get(name, ()), *value) if isinstance(value, tuple) else value


def _flag(*names: str, **options: Any) -> click.Option:
    described: dict[str, Any] = {"metavar": "VALUE", "hidden": "help" not in options} | options
    return click.Option(names, expose_value=False, callback=_keep, **described)


ON_OR_OFF = ("disable-compression", "insecure-skip-tls-verify", "match-server-version", "warnings-as-errors")
WITH_VALUE = (
    "as",
    "as-uid",
    "cache-dir",
    "certificate-authority",
    "client-certificate",
    "client-key",
    "kuberc",
    "log-flush-frequency",
    "password",
    "profile",
    "profile-output",
    "request-timeout",
    "tls-server-name",
    "token",
    "username",
    "vmodule",
)
KUBECTL_FLAGS = (
    _flag(
        "-n",
        "--namespace",
        metavar="NAME",
        shell_complete=_complete(lambda candidates: candidates.namespaces()),
        help="Kubernetes namespace of the requests.  [default: the context's]",
    ),
    _flag(
        "--context",
        metavar="NAME",
        shell_complete=_complete(lambda candidates: candidates.in_kubeconfig("contexts")),
        help="Kubeconfig context to use.",
    ),
    _flag("--kubeconfig", metavar="FILE", type=click.Path(), help="Kubeconfig file to use."),
    _flag("--cluster", shell_complete=_complete(lambda candidates: candidates.in_kubeconfig("clusters"))),
    _flag("--user", shell_complete=_complete(lambda candidates: candidates.in_kubeconfig("users"))),
    _flag("-s", "--server"),
    _flag("-v", "--v"),
    *(_flag(f"--{name}", multiple=True) for name in ("as-group", "as-user-extra")),
    *(_flag(f"--{name}") for name in (*WITH_VALUE, *ON_OR_OFF)),
)


def as_kubectl_reads(arguments: Sequence[str]) -> Iterator[str]:
    """A truth value stands behind a `=`, or is true: `--wait=false`. Those of kubectl it reads itself."""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name in KUBECTLS_ON_OR_OFF:
            yield argument if equals else f"{argument}=true"
        elif equals and name in OWN_ON_OR_OFF and value in ("1", "t", "T", "TRUE", "true", "True"):
            yield name
        elif equals and name in OWN_ON_OR_OFF and value in ("0", "f", "F", "FALSE", "false", "False"):
            yield from OWN_ON_OR_OFF[name]
        else:
            yield argument


OWN_ON_OR_OFF = {
    "--wait": ["--no-wait"],
    **dict.fromkeys(("--yes", "--preview", "--ignore-not-found", "--all-namespaces"), ()),
}
"""And how each is said not to be."""
KUBECTLS_ON_OR_OFF = [f"--{name}" for name in ON_OR_OFF]


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


class _Command(click.Command):
    """With kubectl's global flags beside its own options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for option in self.params for name in option.opts}
        for flag in KUBECTL_FLAGS:
            free = [name for name in flag.opts if name not in taken]
            self.params += [flag] if free == flag.opts else [_flag(*free)] if free else []


class _Group(_Command, click.Group):
    command_class = _Command


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 gone or done, 1 failed, 2 wrong use, 130 interrupted.",
)
@click.version_option(__version__, prog_name="kubectl-moorcheh")
def group(**_: object) -> None:
    """Delete namespaces of a Moorcheh server: see what would go, ask for it, follow it to its end.

    Each deletion is a NamespaceDeletion in the cluster, which the operator carries out and which stays as
    the receipt. This only writes such requests, and for preview-policy a policy
    that runs nothing and is removed again, with your own rights.
    """


def _name(_: Context, __: click.Parameter, value: str) -> str:
    from .request_body import NAME  # noqa: PLC0415 - nothing is imported before it is needed

    if not NAME.fullmatch(value):
        raise click.BadParameter(
            f'{value!r} can\'t be the name of a Moorcheh namespace: 1 to 255 letters, digits, "-" and "_"'
        )
    return value


def _server(_: Context, __: click.Parameter, value: str | None) -> str | None:
    from .request_body import LABEL  # noqa: PLC0415 - nothing is imported before it is needed

    if value is not None and not LABEL.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no Moorcheh server's name: a-z, 0-9 and -, not a URL. "
            "The API server's address is given by -s, or before the command"
        )
    return value


def _time(_: Context, __: click.Parameter, value: str | None) -> str | None:
    from moorcheh_operator.api.times import parse_time  # noqa: PLC0415 - the same

    from .request_body import TIME  # noqa: PLC0415 - the same

    if value is not None and (not TIME.fullmatch(value) or parse_time(value) is None):
        raise click.BadParameter(f"{value!r} must be a time with a zone, such as 2026-11-23T00:00:00Z")
    return value


def _count(_: Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None or re.fullmatch("[0-9]{1,18}", value):
        return None if value is None else int(value)
    raise click.BadParameter(f"{value!r} must be a whole number, 0 or more, such as 100")


def _request(_: Context, __: click.Parameter, value: str | None) -> str | None:
    """A request's name, which kubectl's own output may have put behind the kind's."""
    from .request_body import KINDS, OBJECT  # noqa: PLC0415 - nothing is imported before it is needed

    kind, slash, name = (value or "").rpartition("/")
    if value is None or (OBJECT.fullmatch(name) and (not slash or kind in KINDS)):
        return name or None
    raise click.BadParameter(f'{value!r} can\'t be the name of a request: a-z, 0-9, "-" and "."')


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
@click.option("--max-items", callback=_count, metavar="N", help="Refuse if it holds more; 0: only if empty.")
@click.option(
    "--server",
    callback=_server,
    metavar="NAME",
    help="The Moorcheh server's name. (The API server's address is -s here.)  [default: default]",
)
@click.option("--ignore-not-found", is_flag=True, help="It is fine if there is no such namespace.")
@OUTPUT
def delete(
    *,
    name: str,
    preview: bool,
    yes: bool,
    wait: bool,
    created_before: str | None,
    max_items: int | None,
    ignore_not_found: bool,
    server: str | None,
    output: str | None,
) -> int:
    """Delete the Moorcheh namespace NAME: show what is in it, ask, and follow the deletion.

    For the preview a suspended request is created, and removed again if you say no or leave. With --yes
    nothing is shown before. An interruption afterwards stops only the watching, never the deletion.
    """
    from .request_body import RequestBody  # noqa: PLC0415 - nothing is imported before it is needed

    bounds = {"createdBefore": created_before, "maxItems": max_items}
    preconditions = {key: value for key, value in bounds.items() if value is not None}
    spec: dict[str, Any] = {"namespaceName": name}
    if server:
        spec["serverRef"] = {"name": server}
    if preconditions:
        spec["preconditions"] = preconditions
    spec["ifAbsent"] = "Succeed" if ignore_not_found else "Fail"
    return _run(
        output,
        lambda *where: _flow(*where).delete(RequestBody(spec), yes=yes, preview=preview, wait=wait),
        asks=not (yes or preview),
    )


@group.command()
@click.argument("name", callback=_request, shell_complete=_requests("Failed"))
@PREVIEW
@YES
@WAIT
@OUTPUT
def retry(*, name: str, preview: bool, yes: bool, wait: bool, output: str | None) -> int:
    """Ask again, by a fresh request, for what the failed request NAME asked for.

    Shown and confirmed like a delete. It says so if the namespace was created anew in between.
    """
    return _run(
        output,
        lambda *where: _flow(*where).retry(name, yes=yes, preview=preview, wait=wait),
        asks=not (yes or preview),
    )


@group.command()
@click.argument("name", callback=_request, shell_complete=_requests("Suspended"))
@YES
@WAIT
@OUTPUT
def approve(*, name: str, yes: bool, wait: bool, output: str | None) -> int:
    """Let the suspended request NAME go on, exactly as it is shown to you."""
    return _run(
        output,
        lambda *where: _flow(*where).approve(name, yes=yes, wait=wait),
        asks=not yes,
        instead=lambda kubectl, namespace: (
            f"give --yes; to only look: {kubectl.pasted('moorcheh describe', name, namespace=namespace)}"
        ),
    )


@group.command("list")
@EVERYWHERE
@OUTPUT
def list_(*, all_namespaces: bool, output: str | None) -> int:
    """List the requests."""
    return _run(
        output, lambda *where: _show(*where).list(everywhere=all_namespaces), everywhere=all_namespaces
    )


@group.command()
@click.argument("name", callback=_request, shell_complete=_requests())
@OUTPUT
def describe(*, name: str, output: str | None) -> int:
    """Show all that is known of the request NAME, as a receipt."""
    return _run(output, lambda *where: _show(*where).describe(name))


@group.command()
@EVERYWHERE
@OUTPUT
def receipts(*, all_namespaces: bool, output: str | None) -> int:
    """Show or export the receipts: all that is known of each request, and who asked and approved.

    With -o it is a record to keep, of a kind that no cluster knows: no kubectl command makes requests of it.
    Of what `kubectl get -o yaml` writes, `kubectl apply` makes a new request: it ends as RestoredFromBackup,
    and nothing is sent. So does one by `kubectl create`; before Kubernetes 1.36 that one may be carried out.
    """
    return _run(
        output,
        lambda *where: _show(*where).receipts(everywhere=all_namespaces),
        everywhere=all_namespaces,
    )


@group.command()
@click.argument("name", required=False, callback=_request, shell_complete=_requests())
@EVERYWHERE
@OUTPUT
def watch(*, name: str | None, all_namespaces: bool, output: str | None) -> int:
    """Show all requests live, or follow the request NAME to its end; without a terminal, a line a change."""
    if name is not None:
        if all_namespaces:
            raise click.UsageError("NAME is a request in one namespace: give -n, not -A")
        return _run(output, lambda *where: _flow(*where).follow(name))
    return _run(
        output, lambda *where: _show(*where).watch(everywhere=all_namespaces), everywhere=all_namespaces
    )


@group.command()
@EVERYWHERE
@click.option(
    "-o",
    "--output",
    type=click.Choice(["json", "yaml", "wide"]),
    help="Write objects to standard output, or more columns.",
)
def policies(*, all_namespaces: bool, output: str | None) -> int:
    """List the cleanup policies, with what each matched at the newest look."""
    wide = output == "wide"
    return _run(
        None if wide else output,
        lambda *where: _policies(*where).list(everywhere=all_namespaces, wide=wide),
        everywhere=all_namespaces,
    )


@group.command()
@click.argument("source", metavar="NAME|FILE", shell_complete=_complete(lambda each: each.policies()))
@OUTPUT
def preview_policy(*, source: str, output: str | None) -> int:
    """Show what a run of a cleanup policy would have created at the newest look, and create nothing.

    The operator looks once a minute: what happened since, as a run, is not in it. Of the policy NAME, or of
    the one in FILE (with a slash in it, or ending in .yaml, .yml or .json; - is standard input). For a FILE a
    suspended copy is created, which runs nothing, and removed again. Ends with 1 where a run would be held
    up.
    """
    given = str(_flags(click.get_current_context()).get("namespace", "")) or None
    return _run(output, lambda *where: _policies(*where).preview(source, given))


# Running one


def _checked(namespace: str) -> str:
    from .request_body import LABEL  # noqa: PLC0415 - nothing is imported before it is needed

    if namespace and not LABEL.fullmatch(namespace):
        raise click.UsageError(f'{namespace!r} can\'t be a Kubernetes namespace: a-z, 0-9 and "-"')
    return namespace


def _policies(api: Api, screen: Screen, namespace: str) -> Policies:
    from .policies import Policies  # noqa: PLC0415 - nothing is imported before it is needed

    screen.prepare()
    return Policies(api, screen, namespace)


def _flow(api: Api, screen: Screen, namespace: str) -> Flow:
    from .flows import Flow  # noqa: PLC0415 - nothing is imported before it is needed

    screen.prepare()
    return Flow(api, screen, namespace)


def _show(api: Api, screen: Screen, namespace: str) -> Show:
    from .show import Show  # noqa: PLC0415 - nothing is imported before it is needed

    return Show(api, screen, namespace)


def _run(
    output: str | None,
    action: Callable[[Api, Screen, str], int],
    *,
    asks: bool = False,
    everywhere: bool = False,
    instead: Callable[[Kubectl, str | None], str] = lambda *_: "give --yes, or --preview to only look",
) -> int:
    from .api import Api  # noqa: PLC0415 - nothing is imported before it is needed
    from .kubectl import Kubectl, SaidError  # noqa: PLC0415 - the same
    from .screen import Screen  # noqa: PLC0415 - the same

    screen = Screen(output)
    _interrupts_tidy_up()
    flags = dict(_flags(click.get_current_context()))
    given = flags.pop("namespace", "")
    kubectl = Kubectl(flags)
    if asks and not screen.interactive:
        raise click.UsageError(f"there is no terminal to ask at: {instead(kubectl, given or None)}")
    try:
        # Asked while the connection is made, and only if it must be: it takes a second kubectl.
        namespace = (lambda: given) if given or everywhere else kubectl.default_namespace()
        with Api(kubectl) as api:
            code = action(api, screen, _checked(namespace()))
            screen.leave()
            return code
    except KeyboardInterrupt:  # one that tells of a reader who left may come after a write has told it
        if screen.gone is None:
            raise
        return _unwritable(screen.gone.error)
    except SaidError as error:
        screen.complain(str(error))
        return FAILED
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        screen.complain("the package rich is missing; from a checkout: pip install '.[kubectl]'")
        return FAILED
