"""What the commands do: look before asking, ask, approve what was seen, follow to the end, say what remains.

A request for a preview is created suspended. The operator then looks the target up and writes what it
found, and deletes nothing until `spec.suspend` is false. Whatever happens before that, an interruption too,
the request is removed again, by a compare-and-set on what was seen last: one that somebody approved
meanwhile is never removed by mistake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from moorcheh_operator.api.request import Request
from moorcheh_operator.api.status import ENDED, OPEN_ATTEMPT, Phase, Reason
from moorcheh_operator.api.times import parse_time, render_time

from .api import Api, ApiError, JsonObject, Seen
from .kubectl import SaidError
from .request_body import APPROVED_BY, RETRY_OF, RequestBody, again
from .screen import Following, Screen, shown_body
from .texts import (
    WOULD_BE_REFUSED,
    Retrying,
    already_asked,
    gitops_warning,
    gone_words,
    held,
    last_set_by,
    looked_up,
    not_kept,
    retrying,
    success,
    what_is_wrong,
    why_suspended,
    why_waiting,
    would_be_refused,
)
from .texts import preview as preview_lines

GONE, FAILED, INTERRUPTED = 0, 1, 130

LOOK_SECONDS = 0.25  # between two looks at a request that should change at once …
FOLLOW_SECONDS = 1.0  # … and at one that is being worked on
UNSEEN_SECONDS = 10.0  # an operator sees a request within a second
UNANSWERED_SECONDS = 15.0  # how long a preview waits for a server that gives no listing
LOST_SECONDS = 300.0  # without an answer of the API server, before following is given up
REMOVE_TRIES = 5


NOT_APPROVED = "Not approved. The request stays suspended, and nothing is deleted."


class StopError(SaidError):
    """It can't go on; the words say why, and what has become of it."""


@dataclass(frozen=True, slots=True)
class Flow:
    api: Api
    screen: Screen
    namespace: str

    # delete and retry

    def delete(self, wanted: RequestBody, *, yes: bool, preview: bool, wait: bool) -> int:
        asked = self._asked_already(wanted)
        if asked is not None and not preview:
            if not wanted.is_kept_by(asked):
                follow = self._kubectl("moorcheh watch", asked.request.name)
                raise StopError(f"{not_kept(wanted, asked)}. To follow it: {follow}")
            self.screen.say(already_asked(asked.request))
            return self._to_the_end(asked, wait=wait)
        asker = self.api.whoami()
        if yes and not preview:
            return self._at_once(wanted.render(suspend=False, asker=asker), wait=wait)
        body = wanted.render(suspend=True, asker=asker)
        name, made = body["metadata"]["name"], False
        question = f'Delete the Moorcheh namespace "{wanted.target}"? This can\'t be undone.'
        try:
            seen = self._create(body)
            made = True
            seen = self._looked_up(seen)
            only = preview or _settled(seen)
            self._show(seen, only=only)
            if asked is not None:
                self.screen.say(f"{already_asked(asked.request)}.", "yellow")
            if only:
                return self._only_shown(seen)
            approved = self._approved(seen, question)
            if approved is not None:
                return self._to_the_end(approved, wait=wait)
        except (StopError, ApiError) as error:
            if not made:
                raise
            self.screen.complain(str(error))
            self._withdraw(name, _suspended)
            return FAILED
        except KeyboardInterrupt:
            self.screen.say("")
            self._withdraw(name, _suspended)
            return INTERRUPTED
        self._withdraw(name, _suspended)
        return FAILED

    def _at_once(self, body: JsonObject, *, wait: bool) -> int:
        name, target = body["metadata"]["name"], body["spec"]["namespaceName"]
        try:
            made = self._create(body)
            self.screen.say(f'Asked to delete the Moorcheh namespace "{target}": request {made.request.key}')
            return self._to_the_end(made, wait=wait, ours=True)
        except KeyboardInterrupt as interrupt:
            self._complain(interrupt)
            self._say_where_it_is(name)
            return INTERRUPTED

    def retry(self, name: str, *, yes: bool, preview: bool, wait: bool) -> int:
        failed = self.api.get(self.namespace, name)
        if failed.request.status.phase is not Phase.FAILED:
            phase = failed.request.status.phase or "not seen by an operator yet"
            raise StopError(
                f"{failed.request.key} has not failed, it is {phase}: only a failed one is retried"
            )
        if failed.request.status.reason == Reason.INVALID_SPEC:
            raise StopError(
                f"what {failed.request.key} asks for is not understood: {why_waiting(failed.request)}"
            )
        return self.delete(again(failed), yes=yes, preview=preview, wait=wait)

    # approve

    def approve(self, name: str, *, yes: bool, wait: bool) -> int:
        seen = self.api.get(self.namespace, name)
        _check_approvable(seen.request)
        try:
            seen = self._looked_up(seen)
            _check_approvable(seen.request)
            self._show(seen, waited=True)
            question = f'Approve the deletion of the Moorcheh namespace "{seen.request.spec.namespace_name}"?'
            approved = self._approved(seen, f"{question} This can't be undone.", yes=yes)
            if approved is not None:
                return self._to_the_end(approved, wait=wait)
        except (KeyboardInterrupt, StopError, ApiError) as left:
            self._complain(left)
            self._say_whether_approved(seen)
            return INTERRUPTED if isinstance(left, KeyboardInterrupt) else FAILED
        self.screen.say(NOT_APPROVED)
        return FAILED

    # watch NAME

    def follow(self, name: str) -> int:
        return self._to_the_end(self.api.get(self.namespace, name), wait=True, again=False)

    # Steps

    def _asked_already(self, wanted: RequestBody) -> Seen | None:
        """The oldest that keeps its conditions, if one does. None also where that can't be told: who may not
        list may ask all the same.
        """
        try:
            found, _ = self.api.requests(self.namespace, wanted.target)
        except ApiError:
            return None
        same = [seen for seen in found if wanted.is_asked_by(seen)]
        kept = [seen for seen in same if wanted.is_kept_by(seen)]
        return min(kept or same, key=lambda seen: seen.request.seniority, default=None)

    def _create(self, body: JsonObject) -> Seen:
        """Where the answer is lost, a look tells whether it was created: the name is ours."""
        try:
            return self.api.create(self.namespace, body)
        except ApiError as error:
            if not error.passing:
                raise
            unanswered = error
        try:
            return self.api.get(self.namespace, body["metadata"]["name"])
        except ApiError as error:
            if error.status == 404:
                raise unanswered from error
            self._say_where_it_is(body["metadata"]["name"])
            raise

    def _looked_up(self, held: Seen) -> Seen:
        """Once the operator has shown what is there, as of now, or says that it would be refused. StopError
        where it doesn't.
        """
        began = self.api.clock.ticks()
        seen = held
        with self.screen.busy("Look at what is there ..."):
            while True:
                status = seen.request.status
                current = status.observed_generation == seen.request.generation
                settled = looked_up(seen.request) or status.phase in ENDED or would_be_refused(seen.request)
                if not seen.request.spec.suspend or (current and settled):
                    return seen
                waited = self.api.clock.ticks() - began
                if status.phase is None and waited > UNSEEN_SECONDS:
                    raise StopError(_nobody_looks(seen.request))
                if waited > UNANSWERED_SECONDS:
                    told = why_suspended(seen.request) if current else ""
                    why = (told or "it has not been looked up").rstrip(".")
                    raise StopError(f"what would be deleted can't be shown: {why}. Try again once it can")
                time.sleep(LOOK_SECONDS)
                seen = self._again(seen)

    def _again(self, seen: Seen) -> Seen:
        fresh = self.api.get(seen.request.namespace, seen.request.name)
        if fresh.request.uid != seen.request.uid:
            raise ApiError(f"{seen.request.key} is gone, and another request has its name", 404)
        return fresh

    def _show(self, seen: Seen, *, only: bool = False, waited: bool = False) -> None:
        """`only`: its request is removed next, so it is not named. `waited`: the look may be old."""
        target = seen.request.status.target
        if target is None:
            title = "Asked for:"
        elif not target.found:
            title = "Nothing was found:"
        elif would_be_refused(seen.request):
            title = "This was found:"
        else:
            title = f"{'Would' if only else 'To'} be deleted, with everything in it:"
        self.screen.say(title, "bold")
        self.screen.pairs(preview_lines(seen, name_request=not only, waited=waited))
        self._warn_of_another(seen)

    def _warn_of_another(self, seen: Seen) -> None:
        """A retry is meant for what the failed request was for; a later namespace of the name is another."""
        failed_name = seen.annotations.get(RETRY_OF)
        if failed_name is None:
            return
        try:
            before = self.api.get(seen.request.namespace, failed_name).request.status.target
        except ApiError:
            return
        then = parse_time(before.creation_time) if before else None
        now = parse_time(seen.request.status.target.creation_time) if seen.request.status.target else None
        if then is not None and now is not None and then != now:
            self.screen.say(
                f"Careful: {failed_name} was for the one created at {render_time(then)}. "
                f"This is another one, created at {render_time(now)}.",
                "bold red",
            )

    def _only_shown(self, seen: Seen) -> int:
        fine, name = not would_be_refused(seen.request), seen.request.spec.namespace_name
        removed = self._withdraw(seen.request.name, _suspended, quiet=True)
        if not removed:
            pass  # it has been said what remains
        elif _absent(seen):
            self.screen.say(
                f'There is no Moorcheh namespace "{name}". Nothing was deleted.', None if fine else "red"
            )
        elif not fine:
            self.screen.say("Nothing was deleted, and no request is left.", "red")
        else:
            self.screen.say("Only shown. Nothing was deleted, and no request is left.")
        self.screen.data(shown_body(seen))
        return GONE if fine and removed else FAILED

    def _approved(self, seen: Seen, question: str, *, yes: bool = False) -> Seen | None:
        """The request with `suspend` false, as it was shown and nothing else; None where the answer is no."""
        notes: dict[str, str | None] = {}  # None: who approved earlier did not approve this
        while True:
            if not seen.request.spec.suspend:
                self.screen.say(f"It was approved meanwhile, by {last_set_by(seen)}.", "yellow")
                return seen
            self._check_preview(seen.request)
            if warning := gitops_warning(seen):
                self.screen.say(warning, "yellow")
            if not yes and not self.screen.ask(question):
                return None
            notes = notes or {APPROVED_BY: self.api.whoami()}
            try:
                return self._approve(seen, notes)
            except ApiError as error:
                if error.status != 409:
                    raise
            seen = self._looked_up(self._again(seen))
            if seen.request.spec.suspend:
                _check_approvable(seen.request)
                self.screen.say("It has changed meanwhile. Now:", "yellow")
                self._show(seen, waited=True)

    def _check_preview(self, request: Request) -> None:
        """Only what is shown, and would be done: an approval counts for what gets the name later, too."""
        if request.flaws:
            edit = self._kubectl("edit nsdel", request.name)
            raise StopError(
                f"{WOULD_BE_REFUSED} ({Reason.INVALID_SPEC}): {', '.join(request.flaws)}. Take that out, in "
                f"the manifest that is applied or by {edit}, and approve it then"
            )
        if not looked_up(request):
            drop = self._kubectl("delete nsdel", request.name)
            why = why_suspended(request).rstrip(".")
            raise StopError(f"{why}. Approve it once that is no longer so, or drop it: {drop}")

    def _approve(self, seen: Seen, notes: Mapping[str, str | None]) -> Seen:
        try:
            return self.api.approve(seen, notes)
        except ApiError as error:
            if not error.passing:
                raise
            unanswered = error
        fresh = self._again(seen)
        if fresh.request.spec.suspend:
            raise StopError(f"the approval did not arrive: {unanswered}")
        return fresh

    # The end, or what remains

    def _to_the_end(self, seen: Seen, *, wait: bool, again: bool = True, ours: bool = False) -> int:
        """`again`: it was approved, so where it is held, that is news. `ours`: it was made here just now, and
        is taken back where its server does not exist.
        """
        if not wait:
            self.screen.say(f"Follow it with: {self._kubectl('moorcheh watch', seen.request.name)}")
            self.screen.data(shown_body(seen))
            return GONE
        left: KeyboardInterrupt | SaidError | None
        try:
            with self.screen.following() as following:
                seen, left = self._follow(seen, following, 0.0 if ours else UNSEEN_SECONDS)
        except KeyboardInterrupt as interrupt:
            left = interrupt
        if left is not None:
            self._complain(left)
            if ours and _nowhere(seen.request):
                self._withdraw(seen.request.name, _nowhere)
            else:
                self._say_where_it_stands(seen, said=str(left))
            return INTERRUPTED if isinstance(left, KeyboardInterrupt) else FAILED
        if seen.request.status.phase in ENDED:
            self._say_the_end(seen.request)
        else:
            self._say_it_is_held(seen, again=again)
        self.screen.data(shown_body(seen))
        return GONE if seen.request.status.phase is Phase.SUCCEEDED else FAILED

    def _complain(self, left: KeyboardInterrupt | SaidError) -> None:
        if isinstance(left, KeyboardInterrupt):
            self.screen.say("")  # below the ^C
        else:
            self.screen.complain(str(left))

    def _follow(
        self, seen: Seen, following: Following, patience: float
    ) -> tuple[Seen, KeyboardInterrupt | SaidError | None]:
        """Until it has ended or is held again, or what kept from following it so far. `patience`: seconds for
        which a server that does not exist is waited for.
        """
        ticks = self.api.clock.ticks
        began = answered = ticks()
        unanswered: str | None = None
        try:
            while not (seen.request.status.phase in ENDED or held(seen.request)):
                request = seen.request
                if _nowhere(request) and ticks() - began >= patience:
                    raise StopError(what_is_wrong(request))
                following.show(request, ticks())
                following.note(unanswered or _trouble(request, ticks() - began))
                time.sleep(LOOK_SECONDS if ticks() - began < 3 else FOLLOW_SECONDS)
                try:
                    seen, answered, unanswered = self._again(seen), ticks(), None
                except ApiError as error:
                    if error.status == 404:
                        raise StopError(f"{request.key} was deleted meanwhile") from error
                    if not error.passing or ticks() - answered > LOST_SECONDS:
                        raise
                    unanswered = str(error)
            following.show(seen.request, ticks())
        except (KeyboardInterrupt, StopError, ApiError) as left:
            return seen, left
        return seen, None

    def _say_the_end(self, request: Request) -> None:
        if request.status.phase is Phase.SUCCEEDED:
            self.screen.say(success(request), "green")
            return
        self.screen.say(f"Failed: {request.status.reason}. {why_waiting(request)}", "red")
        self.screen.say(f"The whole story: {self._kubectl('moorcheh describe', request.name)}")
        match retrying(request):
            case Retrying.NOW:
                self.screen.say(f"To ask again: {self._kubectl('moorcheh retry', request.name)}")
            case Retrying.ONCE_MENDED:
                retry = self._kubectl("moorcheh retry", request.name)
                self.screen.say(f"To ask again, once that is mended: {retry}")

    def _say_it_is_held(self, seen: Seen, *, again: bool = True) -> None:
        attempted = seen.request.status.attempt is not None
        so_far = "Nothing more is deleted" if attempted else "Nothing is deleted"
        how = "Held again" if again else "Held"
        self.screen.say(f"{how}, by {last_set_by(seen)}. {so_far} until it is approved.", "red")
        if warning := gitops_warning(seen):
            self.screen.say(warning)
        self.screen.say(f"To approve it: {self._kubectl('moorcheh approve', seen.request.name)}")

    def _say_where_it_stands(self, seen: Seen, said: str = "") -> None:
        """What is true of a request that nobody follows any more; `seen` is what was known of it. `said`: why
        it is not followed.
        """
        describe = self._kubectl("moorcheh describe", seen.request.name)
        try:
            fresh = self._again(seen)
        except (ApiError, KeyboardInterrupt) as error:
            if isinstance(error, ApiError) and error.status == 404:
                self.screen.say(gone_words(seen.request))
            else:
                self.screen.say(f"What has become of it is not known. To see it: {describe}")
            return
        request, status = fresh.request, fresh.request.status
        if status.phase in ENDED:
            self._say_the_end(request)
            return
        if held(request):
            self._say_it_is_held(fresh)
            return
        if request.withdrawn:
            self.screen.say(gone_words(request))
        elif status.phase not in OPEN_ATTEMPT:
            news = status.message and what_is_wrong(request) != said
            why = f" ({why_waiting(request)})" if news else ""
            withdraw = self._kubectl("delete nsdel", request.name)
            self.screen.say(f"It still waits{why}. To withdraw it: {withdraw}")
        elif status.reason == Reason.VERIFYING:
            self.screen.say("It is not known whether the deletion took effect; the operator goes on looking.")
        else:
            self.screen.say("The deletion goes on without you.")
        self.screen.say(f"To follow it again: {self._kubectl('moorcheh watch', request.name)}")

    def _say_whether_approved(self, seen: Seen) -> None:
        """After an interruption or a failure around an approval."""
        try:
            fresh = self._again(seen)
        except (ApiError, KeyboardInterrupt) as error:
            if isinstance(error, ApiError) and error.status == 404:
                self.screen.say("The request is gone. It was not approved here.")
            else:
                describe = self._kubectl("moorcheh describe", seen.request.name)
                self.screen.say(f"It is not known whether that arrived. To see it: {describe}")
            return
        if fresh.request.spec.suspend and fresh.request.status.phase not in ENDED:
            self.screen.say(NOT_APPROVED)
        else:
            self._say_where_it_stands(fresh)

    def _say_where_it_is(self, name: str) -> None:
        """After an interruption, or a lost answer, around a creation."""
        try:
            seen = self.api.get(self.namespace, name)
        except (ApiError, KeyboardInterrupt) as error:
            if isinstance(error, ApiError) and error.status == 404:
                self.screen.say("The request was not created. Nothing was deleted.")
            else:
                describe = self._kubectl("moorcheh describe", name)
                self.screen.say(f"It is not known whether that arrived. To see it: {describe}")
            return
        self._say_where_it_stands(seen)

    def _withdraw(self, name: str, harmless: Callable[[Request], bool], *, quiet: bool = False) -> bool:
        """Remove a request that was made here, if it is `harmless`, and say what remains. False: it does."""
        try:
            became = self._remove(name, harmless)
        except (ApiError, KeyboardInterrupt) as error:
            why = f" ({error})" if str(error) else ""
            still = "While it is suspended, nothing is deleted. " if harmless is _suspended else ""
            self.screen.say(
                f"The request {self.namespace}/{name} could not be removed{why}. {still}"
                f"To remove it: {self._kubectl('delete nsdel', name)}"
            )
            return False
        match became:
            case Seen() as changed:
                if harmless is _suspended:
                    self.screen.say(f"It was approved meanwhile, by {last_set_by(changed)}.")
                self._say_where_it_stands(changed)
            case "removed" if not quiet:
                self.screen.say("Nothing was deleted. The request was removed.")
            case "absent" if not quiet:
                self.screen.say("Nothing was deleted.")
        return not isinstance(became, Seen)

    def _remove(self, name: str, harmless: Callable[[Request], bool]) -> Seen | Literal["removed", "absent"]:
        """The request, where it is harmless no more: somebody has approved it."""
        for _ in range(REMOVE_TRIES):
            try:
                seen = self.api.get(self.namespace, name)
                if not harmless(seen.request):
                    return seen
                self.api.remove(seen)
                return "removed"
            except ApiError as error:
                if error.status == 404:
                    return "absent"
                if error.status != 409:
                    raise
        raise ApiError("the request keeps changing; does something else write it?")

    def _kubectl(self, command: str, name: str) -> str:
        return self.api.kubectl.pasted(command, name, namespace=self.namespace)


def _suspended(request: Request) -> bool:
    return request.spec.suspend


def _nowhere(request: Request) -> bool:
    """Nothing of it can have begun: there is no such server."""
    return request.status.phase is Phase.PENDING and request.status.reason == Reason.SERVER_NOT_FOUND


def _settled(seen: Seen) -> bool:
    """Whether there is nothing left to ask: it is not there, or would be refused."""
    return would_be_refused(seen.request) or _absent(seen)


def _absent(seen: Seen) -> bool:
    target = seen.request.status.target
    return target is not None and not target.found


def _check_approvable(request: Request) -> None:
    status = request.status
    if request.withdrawn:
        raise StopError(f"{request.key} can't be approved: it is being deleted")
    if not request.spec.suspend or status.phase in ENDED:
        what = f"it is {status.phase}" if status.phase else "it is not suspended"
        raise StopError(f"nothing to approve at {request.key}: {what}")


def _trouble(request: Request, seconds: float) -> str | None:
    """What is wrong with one that is followed for so long."""
    if request.withdrawn:
        return f"{request.key} is being deleted"
    if request.status.phase is None and seconds > UNSEEN_SECONDS:
        return _nobody_looks(request)
    return None


def _nobody_looks(request: Request) -> str:
    return (
        f"No operator has looked at {request.key} for {UNSEEN_SECONDS:.0f} s. "
        f"Does one run, and does it serve the Kubernetes namespace {request.namespace}?"
    )
