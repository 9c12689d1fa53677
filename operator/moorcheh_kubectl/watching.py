"""All requests live: a list, then a watch, and a new list where the watch breaks off."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moorcheh_operator.api.status import ENDED

from .api import Api, ApiError, Seen
from .screen import COLOURS, Screen, shown_body
from .texts import HEADER, aligned, change_line, row

if TYPE_CHECKING:
    from rich.text import Text

PAUSES = (1.0, 2.0, 5.0, 10.0)  # seconds, after failures in a row


class Watching:
    def __init__(self, api: Api, screen: Screen, namespace: str | None) -> None:
        self._api = api
        self._screen = screen
        self._namespace = namespace
        self._requests: dict[str, Seen] = {}
        self._note: str | None = None

    def run(self) -> None:
        """Until interrupted. ApiError where it is no use to go on."""
        if not self._screen.terminal or self._screen.shows_data:
            self._forever()
            return
        from rich.live import Live  # noqa: PLC0415 - slow to import

        console = self._screen.console
        with Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=False):
            self._forever()

    def _forever(self) -> None:
        failures = 0
        while True:
            try:
                self._once()
                failures = 0
            except ApiError as error:
                if error.status == 410:
                    continue  # too old to watch from: a new list
                if not error.passing:
                    raise
                self._trouble(str(error))
                time.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1

    def _once(self) -> None:
        listed, version = self._api.requests(self._namespace)
        self._note = None
        present = {seen.request.uid for seen in listed}
        for uid in self._requests.keys() - present:
            self._gone(uid)
        for seen in listed:
            self._changed(seen)
        for change in self._api.watch(self._namespace, version):
            if change.seen is None:
                self._gone(change.uid)
            else:
                self._changed(change.seen)

    def _changed(self, seen: Seen) -> None:
        before = self._requests.get(seen.request.uid)
        if before is not None and before.request.resource_version == seen.request.resource_version:
            return
        self._requests[seen.request.uid] = seen
        self._screen.data(shown_body(seen), stream=True)
        lines = not (self._screen.terminal or self._screen.has_data)
        if lines and (before is None or _differs(before, seen)):
            self._screen.say(change_line(seen.request))

    def _gone(self, uid: str) -> None:
        seen = self._requests.pop(uid, None)
        if seen is not None and not self._screen.terminal:
            self._screen.say(f"{seen.request.key}  {seen.request.spec.namespace_name}  (request removed)")

    def _trouble(self, words: str) -> None:
        self._note = words
        if not self._screen.terminal or self._screen.shows_data:
            self._screen.complain(words)

    def _render(self) -> Text:
        """The unfinished first, oldest on top, then the newest ends, as many as fit."""
        from rich.text import Text  # noqa: PLC0415 - slow to import

        now = self._api.clock.now().time
        requests = [seen.request for seen in list(self._requests.values())]
        open_ones = sorted(
            (each for each in requests if each.status.phase not in ENDED), key=lambda r: r.seniority
        )
        ended = sorted(
            (each for each in requests if each.status.phase in ENDED),
            key=lambda request: (request.status.completion_time or request.creation_time, request.uid),
            reverse=True,
        )
        shown = [*open_ones, *ended][: max(self._screen.console.height - 4, 1)]
        header = ["NAMESPACE", *HEADER] if self._namespace is None else list(HEADER)
        with_namespace = self._namespace is None
        rows = aligned([header, *(row(each, now, with_namespace=with_namespace) for each in shown)])
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("   ".join(rows[0]) + "\n", style="bold")
        for cells, request in zip(rows[1:], shown, strict=True):
            style = COLOURS[request.status.phase] if request.status.phase else ""
            text.append("   ".join(cells).rstrip() + "\n", style=style)
        text.append(f"{len(open_ones)} unfinished, {len(ended)} ended. Ctrl-C leaves.", style="dim")
        if self._note is not None:
            text.append(f"\n{self._note}", style="yellow")
        return text


def _differs(before: Seen, after: Seen) -> bool:
    return change_line(before.request) != change_line(after.request)
