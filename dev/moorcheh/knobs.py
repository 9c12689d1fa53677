"""What is not known about the real server, as settings; each can be changed while it runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dev.moorcheh.refusal import Refusal

CLOUD_PREFIX = "v1"  # of every path, as `product` is cloud
CHOICES: dict[str, tuple[str, ...]] = {
    "product": ("on-prem", "cloud"),
    "accepts_with": ("202", "200"),
    "name_leaves": ("end", "accept"),
    "second_delete": ("404", "409", "same-job", "new-job"),
    "created_field": ("created_at", "createdAt", "none"),
    "items_field": ("item_count", "itemCount", "items", "none"),
}


@dataclass(frozen=True, slots=True)
class Knobs:
    """The stand-in's behaviour; the defaults are what the API's pages say or suggest."""

    product: str = "on-prem"
    """Or `cloud`: every path begins with `/v1`, a deletion has no job that is told, there is no health."""
    accepts_with: str = "202"
    """The status code of an accepted DELETE."""
    job_seconds: float = 1.0
    """How long a deletion job takes, unless the namespace was created with its own `seconds`."""
    seconds_per_item: float = 0.0
    """Added to that for each item."""
    name_leaves: str = "end"
    """When the name leaves the listing: at the job's `end`, or when the delete is `accept`ed."""
    failed_stays: bool = True
    """Whether the name is (still, or again) listed after its job failed."""
    lingers: float = 0.0
    """Seconds that a name is listed on, as empty, after its job completed."""
    comes_back: bool = False
    """Deletions never reach the disk: after a restart what they deleted is there again, as it was."""
    second_delete: str = "409"
    """What another DELETE gets while a job runs: 404, 409, 202 with the `same-job` or with a `new-job`."""
    created_field: str = "created_at"
    """The listing's field for the creation time; `none` leaves it out."""
    items_field: str = "item_count"
    """The listing's field for the number of items; `none` leaves it out."""
    whole_seconds: bool = False
    """Cut every time in an answer to the second."""
    clock_shift: float = 0.0
    """Seconds that the server's clock is ahead (Date header and all its times)."""
    date_header: bool = True
    """Whether answers carry a Date."""
    jobs_survive: bool = False
    """Whether jobs outlive a restart (those that start while this is on)."""
    max_items: int = 100_000
    """What the server holds at most."""
    api_key: str = ""
    """When set, the documented calls need it as `x-api-key`."""

    def changed(self, changes: Mapping[str, Any]) -> "Knobs":
        """These knobs with some turned; an unknown name or a value of the wrong kind is a 400."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        turned: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in known:
                raise Refusal(400, f"there is no knob {name!r}; there are {', '.join(known)}")
            turned[name] = _checked(name, value, known[name])
        return replace(self, **turned)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _checked(name: str, value: object, before: object) -> object:
    if name in CHOICES:
        if str(value) not in CHOICES[name]:
            raise Refusal(400, f"{name} is one of {', '.join(CHOICES[name])}, not {value!r}")
        return str(value)
    if isinstance(before, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(before):
        raise Refusal(400, f"{name} is a {type(before).__name__}, not {value!r}")
    if isinstance(value, int | float) and name != "clock_shift" and value < 0:
        raise Refusal(400, f"{name} can't be negative")
    return value
