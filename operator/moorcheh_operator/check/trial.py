"""The part of a check that writes: a throw-away namespace is made, deleted, watched, and gone in the end.

It deletes nothing but what this run has created. The name has 64 random bits and was not listed before; a 409
to its creation ends the trial; and the listing is looked at before each DELETE: an entry that shows anything
else than what was made is somebody else's.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from moorcheh_operator.api.status import JobStatus
from moorcheh_operator.api.times import parse_birth
from moorcheh_operator.moorcheh.answers import Accepted, JobReport, Refused
from moorcheh_operator.moorcheh.parsing import Response, job_answer, send_answer

from .calls import Calls, Heard, Say, StoppedError
from .findings import PREFIX, End, JobSeen, Leaves, Left, Trial
from .reading import Seen, fields_of, form, seen

LOOK_FIRST, LOOK_MOST = 0.1, 2.0  # seconds between two looks
LISTED_SECONDS = 5.0  # for a created name to be listed
LINGER_SECONDS = 30.0  # for a name to leave the listing, after its job has completed
LOOKS = 3  # tries for one look
SENDS = 4  # DELETEs at most, for what is still there
FAILED_SECONDS = 1.0  # after a job has failed, until it counts whether its name is listed
REMOVE_SECONDS = 60.0  # for what is left to be removed
UNKNOWN_POLLS = 3  # 404s that make a job unknown
MOST_STATES = 10


class _NoListingError(Exception):
    """There is no listing to be had; the message says why."""


def new_name() -> str:
    return PREFIX + secrets.token_hex(8)


def how_to_remove(url: str, name: str, key: str | None) -> str:
    """`key`: the header's name. The command shows no key."""
    header = f"-H {shlex.quote(f'{key}: ...')} " if key else ""
    return f"curl -X DELETE {header}{shlex.quote(f'{url}/namespaces/{name}')}"


class Trying:
    """`patience`: seconds for the deletion, and again for the removal of what is left. `late`: seconds after
    which a creation whose answer was lost can't happen any more.
    """

    def __init__(
        self, calls: Calls, trial: Trial, remove: str, patience: float, late: float, say: Say
    ) -> None:
        self._calls = calls
        self._trial = trial
        self._remove_by = remove
        self._patience = patience
        self._late = late
        self._say = say
        self._known: set[str | None] = (
            set()
        )  # creation times under which the listing showed what is this run's
        self._unseen = 0  # creations of this run that the listing has not shown
        self._certain = False  # the server said that it created it
        self._absent = False  # it was not listed, after it had been
        self._lost_until = float("-inf")  # ticks; until then a creation may still happen
        self._accepted = False  # a DELETE for what was created last
        self._jobless = False  # that answer named no job
        self._main: str | None = None  # the job of the first DELETE
        self._jobs: dict[str, int] = {}  # those that run; how often in a row the server knew none of them

    async def run(self) -> None:
        """Whatever goes wrong, what was made is removed, or `trial.left` says what is not."""
        try:
            await self._try()
        except StoppedError:
            self._trial.stopped = "it was interrupted"
        except _NoListingError as error:
            self._trial.stopped = f"there is no listing any more: {error}"
        except Exception:
            await self._remove()
            raise
        await self._remove()

    async def _try(self) -> None:
        if await self._look() is not None:
            self._trial.stopped = "its name is taken"  # of 64 random bits
            return
        if not await self._create():
            return
        if not await self._is_listed():
            return
        trial = self._trial
        trial.alone = (await self._calls.get("namespaces", trial.name)).answer
        heard = await self._delete()
        trial.delete = heard.answer
        trial.delete_fields = fields_of(_body(heard), _shown(heard))
        trial.has_job = bool(self._jobs)
        if not self._accepted:
            trial.stopped = f"its DELETE was answered: {heard.answer.words}"
            return
        sent = self._ticks()
        job = self._main = next(iter(self._jobs), None)
        await self._meanwhile(job)
        await self._follow(job, sent)
        await self._afterwards(job)

    # what is sent

    async def _create(self) -> bool:
        """Whether there is something to delete now."""
        trial = self._trial
        self._say(f"creating {trial.name}")
        # Said first, taken back later: whatever happens in between.
        trial.left = self._left("it may have been created")
        try:
            heard = await self._calls.create(trial.name)
        except StoppedError:
            trial.left = None
            raise
        trial.create = heard.answer
        self._created(heard)
        if heard.answer.accepted:
            return True
        if not heard.sent:
            trial.left = None
        trial.stopped = f"its creation was answered: {heard.answer.words}"
        return False

    def _created(self, heard: Heard) -> None:
        code = heard.answer.code
        if heard.answer.accepted:
            self._certain, self._accepted, self._jobless = True, False, False
            self._unseen += 1
        elif heard.sent and (code is None or code >= 500):
            self._lost_until = self._ticks() + self._late
            self._unseen += 1

    async def _delete(self) -> Heard:
        self._say(f"deleting {self._trial.name}")
        heard = await self._calls.delete(self._trial.name)
        if heard.response is not None and heard.answer.accepted:
            self._accepted = True
            match send_answer(heard.response):
                case Accepted(job_id):
                    self._jobs[job_id] = 0
                case _:
                    self._jobless = True
        return heard

    # what is seen

    async def _look(self) -> Seen | None:
        """The entry of the name. Raises `_NoListingError`."""
        words = ""
        for number in range(LOOKS):
            if number:
                await self._calls.pause(LOOK_FIRST * 10**number)
            heard = await self._calls.get("namespaces")
            found = heard.answer.words if heard.response is None else seen(heard.response, self._trial.name)
            if not isinstance(found, str):
                self._note(found)
                return found
            words = found
        raise _NoListingError(words)

    def _note(self, found: Seen | None) -> None:
        if found is None:
            self._absent = self._absent or bool(self._known)
            return
        birth = found.entry.creation_time
        new = birth not in self._known or (birth is None and self._absent)
        if new and self._unseen and _contradiction(found) is None:
            self._known.add(birth)
            self._unseen -= 1
            self._absent = False

    def _stranger(self, found: Seen) -> str | None:
        """What shows that the entry is not what this run has made; None: nothing."""
        birth = found.entry.creation_time
        if why := _contradiction(found):
            return why
        if birth not in self._known:
            if self._known:
                return "it has another creation time"
            answer = self._trial.create.words if self._trial.create is not None else "not answered"
            return f"its creation was answered with {answer}, so it can't be told whether it is this run's"
        if birth is None and self._absent:
            return "it had left the listing before"
        if birth is None and self._accepted and found.entry.item_count is None:
            return "the listing shows too little to tell whose it is"
        return None

    async def _is_listed(self) -> bool:
        trial, until = self._trial, self._ticks() + LISTED_SECONDS
        date, asked = self._calls.clock.moorcheh.epoch, self._ticks()
        while (found := await self._look()) is None and self._ticks() < until:
            await self._calls.pause(0.5)
        trial.listed = found is not None
        if found is None:
            trial.stopped = f"the listing did not show it within {LISTED_SECONDS:g} s of its creation"
            return False
        trial.fields = found.fields
        trial.counted = found.entry.item_count is not None
        birth = parse_birth(found.entry.creation_time)
        trial.dated, trial.creation_form = birth is not None, form(found.entry.creation_time)
        if birth is not None:
            own = self._calls.clock.now().time - timedelta(seconds=self._ticks() - asked)
            by_date = own if date is None else date + timedelta(seconds=asked)
            trial.creation_ahead_seconds = round((birth - by_date).total_seconds(), 1)
        if why := self._stranger(found):
            trial.stopped = f"what the listing shows is not what was created: {why}"
            return False
        return True

    async def _poll(self, job: str) -> bool | None:
        """Whether it runs; None: the answer does not tell."""
        trial = self._trial
        heard = await self._calls.get("namespaces", trial.name, "delete-jobs", job)
        response = heard.response
        if response is not None and response.status == 404 and response.message is not None:
            self._jobs[job] = self._jobs.get(job, 0) + 1
            if self._jobs[job] < UNKNOWN_POLLS:
                return None
            return self._ended(job, End.FORGOTTEN)
        known = response is not None and response.status == 200
        answer = job_answer(response.json(), trial.name, job, response.shown) if known and response else None
        kept = trial.job = trial.job or JobSeen()
        if not isinstance(answer, JobReport) or response is None:
            kept.error = (
                heard.answer.words if answer is None or isinstance(answer, JobReport) else answer.error
            )
            return None
        report = answer.job
        if job == self._main:
            kept.fields = kept.fields or fields_of(response.json(), response.shown)
            kept.time_form = kept.time_form or form(report.start_time)
            kept.last_error = report.last_error or kept.last_error
            if report.status not in kept.states[-1:]:
                kept.states = (*kept.states, report.status or "")[:MOST_STATES]
        match report.state:
            case JobStatus.RUNNING:
                self._jobs[job] = 0
                return True
            case JobStatus.COMPLETED:
                return self._ended(job, End.COMPLETED)
            case JobStatus.FAILED:
                return self._ended(job, End.FAILED)
            case never:
                assert_never(never)

    def _ended(self, job: str, how: End) -> bool:
        self._jobs.pop(job, None)
        if job == self._main:
            self._trial.end = how
        return False

    # while it is deleted

    async def _meanwhile(self, job: str | None) -> None:
        """What others get while the deletion runs. An answer counts only if it still ran afterwards."""
        trial = self._trial
        if job is not None and await self._poll(job) is False:
            trial.too_quick = True
            return
        found = await self._look()
        if found is None and job is None:
            trial.too_quick = True
            return
        if found is None or self._stranger(found) is None:
            heard = await self._delete()
            if await self._runs(job):
                trial.second_delete, trial.second_job = heard.answer, _which_job(heard, job)
        if not await self._runs(job):
            trial.too_quick = trial.second_delete is None
            return
        if found is None:
            trial.leaves = Leaves.BEFORE_END
        if job is not None:
            other = await self._calls.get("namespaces", f"{trial.name}-other", "delete-jobs", job)
            trial.job_elsewhere = other.answer
        heard = await self._calls.create(trial.name)
        self._created(heard)
        if await self._runs(job):
            trial.create_meanwhile = heard.answer

    async def _runs(self, job: str | None) -> bool:
        """Whether the deletion surely runs."""
        return await self._look() is not None if job is None else await self._poll(job) is True

    async def _follow(self, job: str | None, sent: float) -> None:
        """Until the deletion has ended and the name has left the listing, or patience is over."""
        trial, until, ended = self._trial, self._ticks() + self._patience, None
        listed_while_it_ran, wait = False, LOOK_FIRST
        while self._ticks() < until:
            found = await self._look()
            runs = True in [await self._poll(each) for each in list(self._jobs)]
            now = self._ticks()
            self._say(f"waiting for its deletion, {now - sent:.0f} s")
            if job is not None and not self._jobs and ended is None:
                ended, trial.end_seconds = now, round(now - sent, 2)
                if found is not None:
                    found = await self._look()  # its job may have ended since the one before
            listed_while_it_ran |= found is not None and runs
            if found is None and job is None:
                trial.end, trial.leaves, trial.leaves_seconds = End.GONE, Leaves.UNCLEAR, round(now - sent, 2)
                return
            if found is None and trial.leaves is None and (runs or ended is not None):
                trial.leaves = _when(now, ended, listed_before=listed_while_it_ran)
                trial.leaves_seconds = None if ended in (None, now) else round(now - ended, 2)
            if ended is not None and self._is_over(now - ended, listed=found is not None):
                return
            await self._calls.pause(wait)
            wait = min(wait * 1.3, LOOK_MOST)

    async def _afterwards(self, job: str | None) -> None:
        trial, jobs = self._trial, ("namespaces", self._trial.name, "delete-jobs")
        if job is not None:
            trial.job_afterwards = (await self._calls.get(*jobs, job)).answer
            trial.job_list = (await self._calls.get(*jobs)).answer
        over = trial.end in (End.COMPLETED, End.GONE) and not self._jobs and not self._made_again()
        if over and await self._look() is None:
            trial.delete_absent = (await self._delete()).answer

    def _is_over(self, seconds: float, *, listed: bool) -> bool:
        """Whether there is nothing more to be seen, so long after the job's end."""
        trial = self._trial
        if trial.end is not End.COMPLETED:
            if seconds > FAILED_SECONDS:
                trial.failed_is_listed = listed if trial.end is End.FAILED else None
                trial.leaves = None
            return seconds > FAILED_SECONDS
        if trial.leaves is None and seconds > LINGER_SECONDS:
            trial.leaves = Leaves.NEVER
        return trial.leaves is not None or self._made_again()

    def _made_again(self) -> bool:
        """Whether the name is listed, or may be, for another creation than the first."""
        return len(self._known) > 1 or self._unseen > 0

    # what is left

    async def _remove(self) -> None:
        """Until nothing of this run is there, or patience is over: then `trial.left` says so."""
        trial = self._trial
        if trial.left is None:
            return
        self._calls.ignore_stop()
        # Once more after a creation whose answer was lost can't happen any more.
        until = max(self._ticks() + min(self._patience, REMOVE_SECONDS), self._lost_until + 2 * LOOK_MOST)
        sends, wait, why = 0, 0.0, ""
        while self._ticks() < until:
            await self._calls.pause(wait)
            wait = min(max(2 * wait, LOOK_FIRST), LOOK_MOST)
            self._say(f"removing {trial.name}")
            try:
                found = await self._look()
            except _NoListingError as error:
                why = f"there is no listing: {error}"
                continue
            for each in list(self._jobs):
                await self._poll(each)
            if found is not None and (stranger := self._stranger(found)):
                # What was made may be gone by now, or this may be it: then a person must say so.
                trial.left = self._left(f"it is there and was left alone: {stranger}")
                return
            if self._jobs:
                why = "its deletion has not ended"
            elif found is None and self._ticks() < self._lost_until:
                why = "it may still be created"
            elif found is None and not self._is_hidden():
                trial.left = None
                return
            elif self._accepted and self._jobless:
                why = "its deletion was accepted, and it is still listed"
            elif sends == SENDS:
                break
            else:
                sends += 1
                heard = await self._delete()
                why = f"its DELETE was answered: {heard.answer.words}"
                wait = max(wait, _retry_after(heard.response))
        trial.left = self._left(why)

    def _is_hidden(self) -> bool:
        """Whether the server said that it created it, and the listing never showed it."""
        return self._certain and not self._known and not self._accepted

    def _left(self, why: str) -> Left:
        return Left(self._trial.name, why, self._remove_by)

    def _ticks(self) -> float:
        return self._calls.clock.ticks()


def _when(now: float, ended: float | None, *, listed_before: bool) -> Leaves:
    """When a name left that is not listed `now`. `ended`: when its job was seen to have."""
    if ended is None:
        return Leaves.BEFORE_END
    if ended < now:
        return Leaves.AFTER_END
    return Leaves.AT_END if listed_before else Leaves.UNCLEAR


def _contradiction(found: Seen) -> str | None:
    """What of the entry can't be of a throw-away namespace."""
    if found.entry.item_count not in (None, 0):
        return "it has items"
    if found.kind not in (None, "vector") or found.dimension not in (None, 1):
        return "it is of another type"
    return None


def _which_job(heard: Heard, job: str | None) -> str | None:
    answer = send_answer(heard.response) if heard.response is not None else None
    if not isinstance(answer, Accepted):
        return None
    return "same" if answer.job_id == job else "another"


def _body(heard: Heard) -> object:
    return None if heard.response is None else heard.response.json()


def _shown(heard: Heard) -> Callable[[str], str]:
    return str if heard.response is None else heard.response.shown


def _retry_after(response: Response | None) -> float:
    answer = send_answer(response) if response is not None else None
    return answer.retry_after or 0.0 if isinstance(answer, Refused) else 0.0
