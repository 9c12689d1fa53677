"""An event loop whose time passes only when nothing is left to do, and then at once: no test sleeps."""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Coroutine, Generator
from typing import Any


class _Idle(selectors.SelectSelector):
    """Instead of waiting for `timeout` seconds it lets them have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits for something that nobody will do")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Tasks know whose they are (`owner`), so that all of one owner's can be killed."""

    def __init__(self) -> None:
        self._idle = _Idle()
        super().__init__(self._idle)
        self.owned: dict[str, set[asyncio.Task[Any]]] = {}
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._idle.now

    def _make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        context: contextvars.Context | None = None,
        **more: Any,  # its name, from Python 3.13.3 on
    ) -> asyncio.Task[Any]:
        context = contextvars.copy_context() if context is None else context
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context, **more)
        mine = self.owned.setdefault(context.get(owner, ""), set())
        mine.add(task)
        task.add_done_callback(mine.discard)
        return task

    def kill(self, name: str) -> None:
        for task in list(self.owned.get(name, ())):
            task.cancel()

    def let_pass(self, seconds: float) -> None:
        self.run_until_complete(asyncio.sleep(seconds))


owner: contextvars.ContextVar[str] = contextvars.ContextVar("owner", default="")
