"""Where the stand-in's time comes from; everything else takes a `Moment` as an argument."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clocks, in seconds.

    `true` is this machine's wall clock (what the harness compares with), `server` the same with the
    stand-in's shift (what its clients see), `monotonic` what durations are measured with. Linux and macOS
    count the last from the machine's boot, so it can be compared between processes and across a restart.
    """

    true: float
    server: float
    monotonic: float

    def plus(self, seconds: float) -> "Moment":
        return Moment(self.true + seconds, self.server + seconds, self.monotonic + seconds)


def read_clock(shift: float) -> Moment:
    """What time it is, with the server's clock `shift` seconds ahead."""
    wall = time.time()  # noqa: TID251 - the one place that reads the clock
    return Moment(wall, wall + shift, time.monotonic())


def iso(seconds: float, *, whole: bool = False) -> str:
    """A time as the API writes it: `2026-05-21T12:10:00.000Z`; cut to the second if `whole`."""
    moment = datetime.fromtimestamp(int(seconds) if whole else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)
