"""What goes wrong between the operator and its two servers: HTTP proxies that follow a script.

A `Script` holds the rules and the account of every call, in order, over all the proxies that share it. Each
`Proxy` is a loopback address that forwards to one upstream as the rules say. Rules can be added, and open
watches disturbed, at any time from any thread.

    script = Script()
    with Proxy(script, plane.url, reads=kubernetes_call, ca_file=plane.ca_file) as proxy:
        script.on(Drop(), "patch", "namespacedeletions/status", nth=2)   # lands, the answer is lost
        script.on(Answer(429), "list", count=ALWAYS)
        script.on_event(Delay(10), "MODIFIED")
"""

from dev.chaos.calls import Call, kubernetes_call, moorcheh_call
from dev.chaos.faults import (
    ALWAYS,
    Answer,
    CallFault,
    Cut,
    Delay,
    Drop,
    Duplicate,
    EventFault,
    Fail,
    Gate,
    Hold,
    Inject,
    Late,
    Replay,
    Rule,
    Stall,
)
from dev.chaos.proxy import Proxy
from dev.chaos.script import Script

__all__ = [
    "ALWAYS",
    "Answer",
    "Call",
    "CallFault",
    "Cut",
    "Delay",
    "Drop",
    "Duplicate",
    "EventFault",
    "Fail",
    "Gate",
    "Hold",
    "Inject",
    "Late",
    "Proxy",
    "Replay",
    "Rule",
    "Script",
    "Stall",
    "kubernetes_call",
    "moorcheh_call",
]
