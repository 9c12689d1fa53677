"""Whether all versions that were seen are of one history of the API server (docs/safety.md, rule 18).

etcd that is restored from a snapshot shows an earlier state, and gives out once more the versions that it had
given before. Then neither is a higher version a newer one, nor is the same version the same object.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class History:
    def __init__(self) -> None:
        self.begin(lambda: None)

    def begin(self, ends: Callable[[], None]) -> None:
        """Another one: nothing was seen of it yet. `ends` is called when it turns out to be over."""
        self._ends = ends
        self.highest = 0
        self.over = False

    def saw(self, version: str) -> None:
        self.highest = max(self.highest, _number(version) or 0)

    def continues(self, version: str, floor: int, what: str) -> None:
        """`what` has a version that was given out after `floor` had been."""
        number = _number(version)
        if number is not None and number < floor:
            self.end(f"{what} is of version {version}, and {floor} was seen before")
        else:
            self.saw(version)

    def end(self, evidence: str) -> None:
        if not self.over:
            self.over = True
            logger.warning("the API server shows an earlier state, as after a restore of etcd: %s", evidence)
            self._ends()


def is_newer(version: str, other: str) -> bool:
    """Within one history. They are numbers that grow (KEP-5504); where they are not, assume it is newer."""
    one, two = _number(version), _number(other)
    return version != other if one is None or two is None else one > two


def _number(version: str) -> int | None:
    try:
        return int(version)
    except ValueError:
        return None
