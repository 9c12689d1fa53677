"""The world of `tests.integration.life` with everything in it that can go wrong.

operator -> proxy -> kube-apiserver -> etcd <- witness
         -> (proxy) -> stand-in
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from dev.chaos import ALWAYS, Answer, Call, Proxy, Rule, Script, kubernetes_call, moorcheh_call
from dev.operator_process import OperatorProcess
from tests.dev.waiting import WITHIN, until
from tests.faults.invariants import Account, Evidence, account_of
from tests.faults.witness import EtcdHistory
from tests.integration.life import Asked, World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dev.controlplane import ControlPlane
    from dev.moorcheh.standin import StandIn

TIMEOUT = 2.0
SETTLE = 2 * TIMEOUT + 5.0  # rule 5
LOOK_GAP = 5.0
OPTIONS = {
    "MOORCHEH_TIMEOUT_SECONDS": str(TIMEOUT),
    "MOORCHEH_VERIFY_SECONDS": "16",
    "MOORCHEH_MAX_RUNNING_JOBS": "0",
}
RENEWED = 120.0
"""Seconds within which a watch serves again, on a busy machine too."""
RECOVERY = 240.0
"""Seconds within which all requests must have ended once the faults stop (I4): a relist, a settled attempt,
two looks, and whatever a busy machine adds."""


class FaultWorld(World):
    """`operators` run (LEADER_ELECTION is off unless the options say otherwise; `of_each`: what the first,
    the second … has beyond them); `wire`: the calls to
    Moorcheh go through a proxy, too; `beside`: Kubernetes namespaces that the operators watch as well, and no
    witness does. Leaving it without an exception stops the faults, waits for the end of
    all requests, and checks every invariant; `account` has the figures then.
    """

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        knobs: dict[str, Any] | None = None,
        operators: int = 1,
        up: bool = True,
        wire: bool = False,
        waits_allowed: int = 0,
        options: dict[str, str] | None = None,
        of_each: Sequence[dict[str, str]] = (),
        beside: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(plane, folder, knobs=knobs, operator_up=False)
        self.script = Script()
        self.api = Proxy(self.script, plane.url, reads=kubernetes_call, ca_file=plane.ca_file)
        self.wire = Proxy(self.script, self.moorcheh.url, reads=moorcheh_call) if wire else None
        self.history = self.witness = EtcdHistory(plane, self.namespace)
        self._folder = folder
        self._options = {"WATCH_NAMESPACES": ",".join([self.namespace, *beside])} | OPTIONS | (options or {})
        self._of_each = [*of_each, *({} for _ in range(operators - len(of_each)))]
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(kubeconfig_for(self.api.url, plane.token("operator")))
        self.point_to(self.wire.url if self.wire else self.moorcheh.url)
        self.kills: list[float] = []
        self.freezes: list[float] = []
        self._stopped: set[OperatorProcess] = set()
        self.also: Counter[str] = Counter()  # injected by the test itself
        self.account: Account | None = None
        self._up = up
        self._dated = (knobs or {}).get("created_field") != "none"
        self._waits_allowed = waits_allowed
        self._proxies = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.api)
            if self.wire:
                undo.enter_context(self.wire)
            super().__enter__()
            undo.callback(self._undo.close)
            assert self.witness.ready.wait(WITHIN)
            undo.callback(self._stop_operators)
            if self._up:
                self.start()
            self._proxies = undo.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        error = next((one for one in raised if isinstance(one, BaseException)), None)
        try:
            if error is None:
                self.recover()
                self.verify()
        except BaseException as broken:
            broken.add_note(self.log())
            raise
        finally:
            if error is not None:
                error.add_note(self.log())
            self.script.clear()
            self._proxies.close()

    def _stop_operators(self) -> None:
        for operator in self.operators:
            operator.__exit__(None, None, None)

    # What the test does

    def point_to(self, moorcheh_url: str) -> None:
        """Operators that are started from now on know Moorcheh by this URL."""
        self.operators = [
            OperatorProcess(
                kubeconfig=self._folder / "kubeconfig",
                moorcheh_url=moorcheh_url,
                output=self._folder / f"operator-{number}.log",
                **self._options,
                **options,
            )
            for number, options in enumerate(self._of_each)
        ]
        self.operator = self.operators[0]

    def be(self, of_each: Sequence[dict[str, str]]) -> None:
        """Before the start: what the first, the second … has beyond the options of all."""
        self._of_each = list(of_each)
        self.point_to(self.moorcheh.url)

    def start(self) -> None:
        for operator in self.operators:
            operator.start()

    def label(self, asked: Asked, key: str, value: str) -> None:
        self._merge(f"{self.path}/{asked.name}", {"metadata": {"labels": {key: value}}})

    def kill(self, operator: OperatorProcess | None = None) -> None:
        """SIGKILL, noted."""
        operator = operator or self.operator
        operator.signal(signal.SIGKILL)
        self.kills.append(time.monotonic())
        self.also["SIGKILL of the operator"] += 1

    def kill_at(self, _: Call) -> None:
        """For a `Gate`."""
        self.kill()

    def freeze(self, operator: OperatorProcess | None = None) -> None:
        """SIGSTOP, noted; `thaw` follows."""
        (operator or self.operator).signal(signal.SIGSTOP)
        self.freezes.append(time.monotonic())
        self.also["SIGSTOP of the operator"] += 1

    def thaw(self, operator: OperatorProcess | None = None) -> None:
        (operator or self.operator).signal(signal.SIGCONT)

    def stop(self, operator: OperatorProcess | None = None) -> int:
        """SIGTERM, noted: it stays down until it is restarted. The exit code."""
        operator = operator or self.operator
        self.also["SIGTERM of the operator"] += 1
        self._stopped.add(operator)
        return operator.stop()

    def restart(self, operator: OperatorProcess | None = None, *, ready: bool = True) -> None:
        operator = operator or self.operator
        operator.process.wait(WITHIN)
        self._stopped.discard(operator)
        operator.start(ready=ready)

    def ask_many(self, count: int, prefix: str = "load", **created: object) -> list[Asked]:
        """So many namespaces, and a request for each."""
        made = self.moorcheh.create_many(count, f"{prefix}-", **created)
        return [self.ask(one["name"]) for one in made]

    def clear_moorcheh(self) -> None:
        """Its faults stop, and are counted: it forgets them when it is killed."""
        for rule in self.moorcheh.faults():
            self.also[f"Moorcheh, {rule['operation']}: {rule['kind']}"] += rule["used"]
        self.moorcheh.clear_faults()

    def fail_relists(self) -> Rule:
        """What is noticed from now on, a watch has told, or the list of all with which it begins."""
        return self.script.on(
            Answer(500),
            "list",
            "namespacedeletions",
            count=ALWAYS,
            when=lambda call: "fieldSelector=status.phase" in call.path,
        )

    def keep_running(self) -> None:
        """What a kubelet does: an operator that has ended is started again. It must have said why."""
        for operator in self.operators:
            if operator not in self._stopped and not is_running(operator):
                code = operator.process.returncode
                assert code is not None
                assert code > 0, f"it ended by itself, with {code}"
                self.also["exit, started again"] += 1
                operator.start(ready=False)

    def finish(self, asked: Sequence[Asked], *, within: float = RECOVERY) -> None:
        """Wait until all have ended, as long as it takes restarts."""

        def done() -> bool:
            self.keep_running()
            return all(one.finished for one in asked)

        assert until(done, within=within), [(one.name, one.trail) for one in asked if not one.finished]

    def recover(self, within: float = RECOVERY) -> None:
        """The faults stop; every request ends."""
        self.script.clear()
        if not self.moorcheh.process.running:
            self.moorcheh.start()
        self.clear_moorcheh()
        for operator in self.operators:
            if is_running(operator):
                operator.signal(signal.SIGCONT)
            else:
                operator.start()

        def ended() -> bool:
            self.keep_running()  # one may end with an error some seconds after what it ends for
            return not self.unfinished()

        if not until(ended, within=within):
            left = [(version["metadata"]["name"], version["status"]) for version in self.unfinished()]
            raise AssertionError(
                f"i4: {len(left)} are not finished {within} s after the last fault: {left[:5]}"
            )

    def ended_as(self) -> Counter[str]:
        """How many ended how, as of now."""
        statuses = [versions[-1]["status"] for versions in self.history.objects().values()]
        return Counter(f"{status.get('phase', '-')}/{status.get('reason', '-')}" for status in statuses)

    def has_sent(self, deletes: int) -> bool:
        """Whether that many DELETEs have arrived at the stand-in."""
        return self.moorcheh.counts().get("delete", 0) >= deletes

    def not_injected(self) -> list[str]:
        """The faults that were asked for, here and at the stand-in, and that nothing has met."""
        here = [f"{rule.fault} {rule.what} {rule.resource} {rule.name}" for rule in self.script.unused()]
        there = [rule for rule in self.moorcheh.faults() if not rule["used"]]
        return here + [f"{rule['operation']} {rule['name']} {rule['kind']}" for rule in there]

    def unfinished(self) -> list[dict[str, Any]]:
        return self.witness.unfinished()

    def verify(self) -> Account:
        """Every invariant, by `account_of`."""
        self.history.wait(self._announced, WITHIN)
        self.account = account_of(self.evidence("default", self.moorcheh), self.script.injected + self.also)
        return self.account

    def evidence(self, server: str, moorcheh: StandIn) -> Evidence:
        """Of the requests that name this server."""
        return Evidence(
            record=moorcheh.record(),
            living=moorcheh.namespaces(),
            versions=[version for version in self.witness.log() if server_of(version.body) == server],
            calls=list(self.script.calls),
            kills=self.kills,
            freezes=self.freezes,
            starts=sorted(at for operator in self.operators for at in operator.starts),
            waits_allowed=self._waits_allowed,
            dated=self._dated,
        )

    def _announced(self) -> bool:
        claims = {
            f"{version.body['metadata']['uid']}/{version.body['status']['attempt']['id']}"
            for version in self.witness.log()
            if "attempt" in version.body["status"]
        }
        return {delete["request_id"] for delete in self.moorcheh.record()["deletes"]} <= claims

    def check(self) -> None:
        self.verify()

    def log(self) -> str:
        parts = []
        for operator in self.operators:
            if operator.output.exists():
                lines = operator.output.read_text(errors="replace").splitlines()[-40:]
                parts.append("\n".join([f"--- {operator.output.name}", *lines]))
        calls = [str(call) for call in self.script.calls[-40:]]
        return "\n".join([*parts, "--- the last calls", *calls])


def server_of(body: dict[str, Any]) -> str:
    return str(body["spec"].get("serverRef", {}).get("name", "default"))


def is_running(operator: OperatorProcess) -> bool:
    try:
        return operator.process.running
    except RuntimeError:
        return False  # it was never started


def kubeconfig_for(server: str, token: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "chaos", "cluster": {"server": server}}],
            "users": [{"name": "operator", "user": {"token": token}}],
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": "operator"}}],
            "current-context": "chaos",
        }
    )
