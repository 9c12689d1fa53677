"""The table. An edit is exact on purpose: whoever changes a safety line meets its mutation, and its test."""

from __future__ import annotations

from .mutation import Mutation, one

VERSION = '{"resourceVersion": request.resource_version}'
PATCH = f'            "metadata": {VERSION},\n            "status": merge_patch('
NOT_SENT = (
    "except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, _HeldBackError) as error:\n"
    "            return NotSent"
)
LISTED = "        if response.status != httpx.codes.OK:\n            {}\n        entries ="
PAGE = "            if answer.status != 200:\n                {}\n            page ="


def _blind(kind: str, condition: str) -> Mutation:
    versions = f"{{}} if {condition} else {VERSION}"
    return one(
        "2",
        f"compare-and-set on {kind}",
        "cluster/client.py",
        PATCH,
        f'            "metadata": {versions},\n            "status": merge_patch(',
    )


WRITES = [
    _blind("every write", "True"),
    _blind("the claim", 'status.phase == "Submitting" and status.reason == "Submitting"'),
    _blind("the job's id and progress", 'status.phase == "Running"'),
    _blind("writes of Pending", 'status.phase == "Pending"'),
    _blind("previews", 'status.phase == "Suspended"'),
    _blind("a verification", 'status.reason == "Verifying"'),
    _blind("a success", 'status.phase == "Succeeded"'),
    _blind("a failure", 'status.phase == "Failed"'),
    one(
        "2",
        "no rejected write repeated on what another wrote",
        "controller/task.py",
        "if self.request.resource_version != built_on:",
        "if False:",
    ),
    one(
        "2",
        "an object of the same name is another one",
        "controller/stored.py",
        "            if request is None or request.uid != self.request.uid:\n",
        "            if request is None:\n",
    ),
    one(
        "2",
        "an end that is on record is told, whatever was answered to its write",
        "controller/stored.py",
        "            if self._cluster.wrote(request):",
        "            if False:",
    ),
    one(
        "2",
        "an end that another replica wrote is not told",
        "controller/stored.py",
        "            if self._cluster.wrote(request):",
        "            if True:",
    ),
    one(
        "2",
        "an end is told once",
        "controller/stored.py",
        "            each.told = True",
        "            pass",
    ),
    one(
        "2",
        "an end that was tried to be written twice is told once",
        "controller/stored.py",
        "for each in (write, *self._writes):",
        "for each in (write,):",
    ),
    one(
        "2",
        "a replica's writes can be told from another's",
        "cluster/client.py",
        "request.reason_by in (None, self._manager)",
        "True",
    ),
    one(
        "2",
        "the job's id lands where its texts are rejected",
        "controller/task.py",
        "if isinstance(await self._write(bare(status)), Invalid):",
        "if True:",
    ),
    one(
        "2",
        "deleted items never fall",
        "lifecycle/polling.py",
        "deleted_items=max(counts, default=None)",
        "deleted_items=report.deleted_items",
    ),
]

SENDING = [
    one(
        "1",
        "a fresh attempt id",
        "controller/task.py",
        "attempt_id = str(uuid.uuid4())",
        "attempt_id = before.attempt.id if before.attempt else str(uuid.uuid4())",
    ),
    one(
        "1",
        "the claim clears the job",
        "lifecycle/submitting.py",
        "        job=None,\n        progress=None,\n",
        "",
    ),
    Mutation(
        "1",
        "the claim is written before the DELETE is sent",
        "controller/task.py",
        (
            (
                "        self._set_claiming(claiming=True)\n",
                (
                    "        self._set_claiming(claiming=True)\n"
                    "        held = self._holdings.held\n"
                    "        assert held is not None\n"
                    "        early = await self._send_delete(held.connection, attempt_id, now)\n"
                ),
            ),
            (
                "            sent = await self._send_delete(held.connection, attempt_id, now)",
                "            sent = early",
            ),
        ),
    ),
    one(
        "3",
        "only the winner of the claim sends",
        "controller/task.py",
        "landed = attempt is not None and attempt.id == attempt_id",
        "landed = attempt is not None",
    ),
    one(
        "3",
        "the send window",
        "controller/task.py",
        "leave_by = claimed.ticks + SEND_WINDOW",
        "leave_by = claimed.ticks + 3600.0",
    ),
    one(
        "3",
        "the look is fresh",
        "lifecycle/pending.py",
        "return Claim() if fresh else LookUp(to_claim=True)",
        "return Claim()",
    ),
    one(
        "7",
        "an old look ends nothing",
        "lifecycle/pending.py",
        "return Record(verdict) if fresh else LookUp(to_claim=True)",
        "return Record(verdict)",
    ),
    one(
        "7",
        "a look from before the binding counts no more",
        "controller/task.py",
        "        target.creation_time if target else None,\n",
        "        None,\n",
    ),
    one(
        "3",
        "target and slots are held before the look",
        "lifecycle/pending.py",
        "if facts.held_since is not None and look.started >= facts.held_since:",
        "if facts.held_since is not None:",
    ),
    one(
        "3",
        "nobody sends for an attempt that it finds",
        "lifecycle/submitting.py",
        "        return _verifying(request, facts, now, limits, facts.first_seen + limits.settle, None)\n",
        '        return Record(next_status(request, now, Phase.PENDING, Reason.RETRYING, "once more"))\n',
    ),
    one(
        "8",
        "the clocks have not moved since the look",
        "controller/task.py",
        " or abs(server.clock.skew() - look.skew) > CLOCK_ERROR",
        "",
    ),
    one(
        "11",
        "an object deleted meanwhile sends nothing",
        "controller/task.py",
        "        elif self.request.withdrawn:\n",
        "        elif False:\n",
    ),
    one(
        "11",
        "a deleted object stays deleted",
        "controller/stored.py",
        "        if before.withdrawn and not request.withdrawn:\n",
        "        if False:\n",
    ),
    one(
        "11",
        "a deleted object does nothing more",
        "lifecycle/next_step.py",
        "    if request.withdrawn or request.status.phase in ENDED:\n        return ended.step(",
        "    if request.status.phase in ENDED:\n        return ended.step(",
    ),
    one(
        "",
        "a suspended request is held",
        "lifecycle/next_step.py",
        "case _ if request.spec.suspend:",
        "case _ if False:",
    ),
    one(
        "",
        "a restored request sends nothing",
        "lifecycle/next_step.py",
        "case _ if request.restored and not is_dated(request.status.target):",
        "case _ if False:",
    ),
    one(
        "14",
        "one that does not lead claims nothing",
        "controller/task.py",
        "(self._shared.leads() or self.request.withdrawn)",
        "True",
    ),
    one(
        "14",
        "a deleted object's job is followed by every replica",
        "controller/task.py",
        "(self._shared.leads() or self.request.withdrawn)",
        "self._shared.leads()",
    ),
    one(
        "14",
        "a lapse of the Lease is told though a renewal ends it",
        "cluster/leader_election.py",
        "        self._tell()  # a lapse",
        "        # a lapse",
    ),
    one(
        "3",
        "a connection that takes too long carries no DELETE",
        "moorcheh/connection.py",
        "(leave_by - self._clock.ticks()) / 2)",
        "inf)",
    ),
    one(
        "5",
        "the kernel forgets what was given up",
        "moorcheh/connection.py",
        "socket_options=[NO_LATE_DELIVERY]",
        "socket_options=[]",
    ),
    one(
        "14",
        "one that is stopping claims nothing",
        "controller/task.py",
        "if not self._shared.stopping and (self._shared.leads()",
        "if (self._shared.leads()",
    ),
]

ANSWERS = [
    one(
        "4",
        "a timeout is no proof that nothing was sent",
        "moorcheh/connection.py",
        NOT_SENT,
        "except (httpx.ConnectError, httpx.TimeoutException, TimeoutError, _HeldBackError) as error:\n"
        "            return NotSent",
    ),
    one(
        "4",
        "a dropped connection is no proof that nothing was sent",
        "moorcheh/connection.py",
        NOT_SENT,
        "except (httpx.TransportError, _HeldBackError) as error:\n            return NotSent",
    ),
    one(
        "4",
        "a 503 is no refusal",
        "moorcheh/parsing.py",
        "case 401 | 403 | 429:",
        "case 401 | 403 | 429 | 503:",
    ),
    one(
        "4",
        "a 404 is no rejection",
        "moorcheh/parsing.py",
        "        case 400 | 422:\n            return R",
        "        case 400 | 422 | 404:\n            return R",
    ),
    one(
        "4",
        "an unclear answer does not go back to Pending",
        "lifecycle/submitting.py",
        "case NotSent(error) | Refused(error):",
        "case NotSent(error) | Refused(error) | Unclear(error):",
    ),
    one(
        "5",
        "a proxy's 404 settles nothing",
        "moorcheh/parsing.py",
        "return Unclear(words, settled=response.message is not None)",
        "return Unclear(words, settled=True)",
    ),
    one(
        "5",
        "a 5xx settles nothing",
        "moorcheh/parsing.py",
        "            return Unclear(words)\n",
        "            return Unclear(words, settled=True)\n",
    ),
    one(
        "5",
        "the settle time",
        "lifecycle/steps.py",
        "return 2 * self.request_timeout + SETTLE_EXTRA",
        "return 0.0",
    ),
    one(
        "5",
        "no verdict before the attempt is settled",
        "lifecycle/submitting.py",
        "    if now.ticks < settled_at:\n        return Wait(settled_at, status)\n"
        "    looks = tuple(look for look in facts.looks if look.started >= settled_at)\n"
        "    verdict = agreed(looks, request.status.target, settled_at, LOOK_GAP)\n",
        "    looks = facts.looks\n    verdict = agreed(looks, request.status.target, 0.0, LOOK_GAP)\n",
    ),
    one(
        "5",
        "an unknown outcome is the end",
        "lifecycle/submitting.py",
        "ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message, last_error=last_error)",
        "next_status(request, now, Phase.PENDING, Reason.RETRYING, message, last_error=last_error)",
    ),
    one(
        "5",
        "a second look",
        "lifecycle/incarnation.py",
        "if not run or run[0].started - run[-1].answered < gap:",
        "if not run:",
    ),
    one(
        "5",
        "looks that agree",
        "lifecycle/incarnation.py",
        "(run and sight(look, target) is not sight(run[0], target))",
        "False",
    ),
    one("5", "only looks since then", "lifecycle/incarnation.py", "if look.started < since or", "if"),
]

FURTHER = [
    one("6", "three times unknown", "lifecycle/polling.py", "facts.unknown_count >= LOST_POLLS and ", ""),
    one(
        "6",
        "unknown for fifteen seconds",
        "lifecycle/polling.py",
        " and facts.polled.answered - facts.unknown_since >= LOST_SECONDS",
        "",
    ),
    one(
        "6",
        "a proxy's 404 is no unknown job",
        "moorcheh/connection.py",
        "if response.status == httpx.codes.NOT_FOUND and response.message is not None:",
        "if response.status == httpx.codes.NOT_FOUND:",
    ),
    one(
        "6",
        "a newer incarnation is another",
        "lifecycle/incarnation.py",
        "return Sight.SAME if shown == bound else Sight.REPLACED",
        "return Sight.SAME",
    ),
    one(
        "6",
        "without a creation time nothing is the same",
        "lifecycle/incarnation.py",
        "    if bound is None or shown is None or shown < bound:\n        return Sight.UNCLEAR\n",
        "    if bound is None or shown is None or shown < bound:\n        return Sight.SAME\n",
    ),
    one(
        "6",
        "a creation time that shows up late binds no further attempt",
        "lifecycle/statuses.py",
        "if is_dated(recorded) or request.status.attempt is not None:",
        "if is_dated(recorded):",
    ),
    one(
        "6",
        "the wait before a further attempt",
        "lifecycle/retrying.py",
        "if verdict is Sight.SAME and now.ticks >= retry_at:",
        "if verdict is Sight.SAME:",
    ),
    one(
        "6",
        "the limit, where the job was lost",
        "lifecycle/retrying.py",
        "over = attempt.number > request.spec.backoff_limit",
        "over = False",
    ),
    one(
        "6",
        "the limit, where the job failed",
        "lifecycle/running.py",
        "    if attempt.number > request.spec.backoff_limit:\n        return limit_exceeded(",
        "    if False:\n        return limit_exceeded(",
    ),
    one(
        "6",
        "two looks of this very end of a job",
        "lifecycle/retrying.py",
        "verdict = agreed(facts.looks, target, facts.first_seen, LOOK_GAP)",
        "verdict = agreed(facts.looks, target, facts.first_seen, 0.0)",
    ),
    one(
        "6",
        "a report is about the job that it names",
        "lifecycle/polling.py",
        "if report is None or report.id != recorded.id:",
        "if report is None:",
    ),
    one(
        "6",
        "a poll's answer is about the attempt it was asked for",
        "controller/task.py",
        "if _chapter(self.request) == chapter:",
        "if True:",
    ),
    one(
        "6",
        "what was seen of one attempt is nothing to the next",
        "controller/task.py",
        "        status.phase or Phase.PENDING,\n        attempt.id if attempt else None,\n",
        '        Phase.PENDING,\n        None if attempt else "none",\n',
    ),
]

INCARNATION = [
    one(
        "7",
        "the first look binds",
        "lifecycle/facts.py",
        "if look.entry is not None and (bound is None or parse_birth(bound.creation_time) is None):",
        "if look.entry is not None:",
    ),
    one(
        "7",
        "what is recorded binds",
        "lifecycle/statuses.py",
        "if is_dated(recorded) or request.status.attempt is not None:",
        "if False:",
    ),
    one(
        "7",
        "the target is frozen by the claim",
        "lifecycle/statuses.py",
        "if recorded is not None and request.status.attempt is not None:",
        "if False:",
    ),
    one(
        "7",
        "a wait writes what it is bound to",
        "lifecycle/statuses.py",
        "if facts.looks and not is_dated(target):",
        "if False:",
    ),
    one(
        "7",
        "a replaced target is left alone",
        "lifecycle/guards.py",
        "if seen is Sight.REPLACED:",
        "if False:",
    ),
    one(
        "7",
        "an earlier or missing creation time is no proof",
        "lifecycle/guards.py",
        "if seen is Sight.UNCLEAR and bound is not None and is_dated(bound):",
        "if False:",
    ),
    one(
        "8",
        "never newer than the request",
        "lifecycle/guards.py",
        "if created + look.skew <= request.creation_time + grace:",
        "if True:",
    ),
    one(
        "8",
        "the clocks are compared",
        "lifecycle/guards.py",
        "if created + look.skew <= request.creation_time + grace:",
        "if created <= request.creation_time + grace:",
    ),
    one(
        "8",
        "the tolerance is three seconds",
        "lifecycle/guards.py",
        "TOLERANCE = timedelta(seconds=3)",
        "TOLERANCE = timedelta(seconds=30)",
    ),
    one(
        "8",
        "no tolerance behind another request",
        "lifecycle/guards.py",
        "grace = -CLOCK_ERROR if _another_ended_meanwhile(request, facts) else TOLERANCE",
        "grace = TOLERANCE",
    ),
    one(
        "8",
        "strict where another was seen to end",
        "lifecycle/guards.py",
        "return seen or facts.queued or",
        "return facts.queued or",
    ),
    one(
        "8",
        "strict where it stood behind another",
        "lifecycle/guards.py",
        "return seen or facts.queued or",
        "return seen or",
    ),
    one(
        "8",
        "strict after a restart",
        "lifecycle/guards.py",
        " or request.status.reason == Reason.TARGET_BUSY\n",
        "\n",
    ),
    one(
        "8",
        "having waited is not forgotten",
        "controller/task.py",
        "queued=self.facts.queued or blocked,",
        "queued=blocked,",
    ),
    one(
        "8",
        "the end of a job that outlived its request is noted",
        "controller/targets.py",
        "if rank == IN_WORK and (request.withdrawn or request.status.reason == Reason.DEADLINE_EXCEEDED):",
        "if False:",
    ),
    one(
        "8",
        "ends of others are noted",
        "controller/task.py",
        "rival_end=targets.last_end(request),",
        "rival_end=None,",
    ),
    one(
        "8",
        "nothing undated behind another request",
        "lifecycle/guards.py",
        "    if not _another_ended_meanwhile(request, facts):\n        return None\n",
        "    if True:\n        return None\n",
    ),
    one(
        "8",
        "nothing undated is sent again where it was refused",
        "lifecycle/submitting.py",
        "        case Refused(error) if not is_dated(request.status.target):\n"
        "            return Record(_refused_for_good(request, error, now))\n",
        "",
    ),
    one(
        "8",
        "an outage does not hide that it waited",
        "lifecycle/waits.py",
        "    if queued and request.status.attempt is None:\n",
        "    if False:\n",
    ),
]

PRECONDITIONS = [
    one(
        "9",
        "createdBefore without a creation time",
        "lifecycle/guards.py",
        "        if created is None:\n            message",
        "        if created is None:\n            return None\n            message",
    ),
    one(
        "9",
        "createdBefore",
        "lifecycle/guards.py",
        "if max(created, corrected) >= bounds.created_before:",
        "if False:",
    ),
    one(
        "9",
        "createdBefore by either clock",
        "lifecycle/guards.py",
        "if max(created, corrected) >= bounds.created_before:",
        "if min(created, corrected) >= bounds.created_before:",
    ),
    one(
        "9",
        "createdBefore is exclusive",
        "lifecycle/guards.py",
        "if max(created, corrected) >= bounds.created_before:",
        "if max(created, corrected) > bounds.created_before:",
    ),
    one(
        "9",
        "maxItems without a count",
        "lifecycle/guards.py",
        "        if entry.item_count is None:\n",
        "        if entry.item_count is None:\n            return None\n        if False:\n",
    ),
    one("9", "maxItems", "lifecycle/guards.py", "if entry.item_count > bounds.max_items:", "if False:"),
    one(
        "9",
        "maxItems 0 is a bound",
        "lifecycle/guards.py",
        "if bounds.max_items is not None:",
        "if bounds.max_items:",
    ),
    one(
        "9",
        "less than nothing is no count",
        "moorcheh/parsing.py",
        "return None if negative else _count(value)",
        "return _count(value)",
    ),
]

TARGET = [
    one(
        "10",
        "the target is held",
        "lifecycle/pending.py",
        "    if facts.holder is not None:\n        return behind(",
        "    if False:\n        return behind(",
    ),
    one(
        "10",
        "an open attempt keeps the target",
        "lifecycle/ownership.py",
        "    if facts.claiming or follows_job(request, facts):\n        return IN_WORK\n",
        "    if facts.claiming:\n        return 0\n",
    ),
    one(
        "10",
        "a claim under way keeps the target",
        "controller/task.py",
        "self._set_claiming(claiming=True)",
        "self._set_claiming(claiming=False)",
    ),
    one(
        "10",
        "a job past the deadline keeps the target",
        "lifecycle/ownership.py",
        "return cut_short and status.job is not None and _unfinished(status.job.state, facts)",
        "return False",
    ),
    one(
        "10",
        "the attempt of a deleted object keeps the target until it is settled",
        "lifecycle/ended.py",
        "return Forget() if now.ticks >= settled_at else Wait(settled_at, status)",
        "return Forget()",
    ),
    one(
        "10",
        "the job of a deleted object keeps the target",
        "lifecycle/ended.py",
        "            if job_over(facts):\n                return Forget()\n",
        "            if True:\n                return Forget()\n",
    ),
    one(
        "10",
        "no claim before the first complete list",
        "controller/task.py",
        "may_claim=self._shared.listed,",
        "may_claim=True,",
    ),
    one(
        "10",
        "a page that is missing makes no complete list",
        "cluster/client.py",
        PAGE.format("raise ClusterError(answer.describe(), answer.status)"),
        PAGE.format("return"),
    ),
    one(
        "10",
        "what was seen while another had the target decides nothing",
        "controller/task.py",
        "            self.facts = dataclasses.replace(self.facts, looks=())\n        self.facts =",
        "        self.facts =",
    ),
    one(
        "12",
        "no deadline while a DELETE may be in flight",
        "lifecycle/submitting.py",
        "    sent = own_send(request, facts)\n    if sent is None:\n",
        "    sent = own_send(request, facts)\n"
        "    if deadline_passed(request, now):\n"
        "        return Record(deadline_exceeded(request, now, None))\n"
        "    if sent is None:\n",
    ),
]

BORDER = [
    one(
        "13",
        "the path is the one that was meant",
        "moorcheh/connection.py",
        "if request.url.raw_path != raw_path or request.url.query:",
        "if False:",
    ),
    one(
        "13",
        "the name is a name",
        "moorcheh/connection.py",
        "if any(not NAME.fullmatch(name) for name in path[1:2]):",
        "if False:",
    ),
    one(
        "13",
        "an answered job id is an id",
        "moorcheh/parsing.py",
        'case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):',
        'case {"job_id": str(job_id)}:',
    ),
    one(
        "13",
        "the whole of a job id is matched",
        "moorcheh/parsing.py",
        'case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):',
        'case {"job_id": str(job_id)} if JOB_ID.match(job_id):',
    ),
    one(
        "13",
        "a recorded job id is an id",
        "moorcheh/connection.py",
        "        if not JOB_ID.fullmatch(job_id):\n",
        "        if False:\n",
    ),
    one(
        "13",
        "a body is capped",
        "moorcheh/connection.py",
        "        if len(body) > limit:\n",
        "        if False:\n",
    ),
    one(
        "13",
        "an answer that trickles ends",
        "moorcheh/connection.py",
        "async with asyncio.timeout(self._timeout):",
        "async with asyncio.timeout(None):",
    ),
    one(
        "13",
        "a listing that failed is not empty",
        "moorcheh/connection.py",
        LISTED.format("return Unavailable(response.describe())"),
        LISTED.format("return Listing({}, self._clock.skew())"),
    ),
    one(
        "13",
        "what is no listing is not empty",
        "moorcheh/parsing.py",
        '        return "the listing is not the JSON that was expected"\n',
        "        return {}\n",
    ),
    one(
        "13",
        "an entry without a name spoils the listing",
        "moorcheh/parsing.py",
        '            return "the listing has an entry without a name"\n',
        "            continue\n",
    ),
    one(
        "13",
        "a name twice spoils the listing",
        "moorcheh/parsing.py",
        '            return "the listing has a name twice"\n',
        "            continue\n",
    ),
    one(
        "13",
        "the job that is answered is the one that was asked for",
        "moorcheh/parsing.py",
        'if body.get("job_id", job_id) != job_id or body.get("namespace_name", name) != name:',
        "if False:",
    ),
    one(
        "",
        "an expired object is deleted only as it was seen",
        "cluster/client.py",
        'preconditions = {"uid": uid, "resourceVersion": resource_version}',
        "preconditions = dict[str, str]()",
    ),
    one(
        "",
        "what would be created again is kept",
        "lifecycle/retention.py",
        "if request.withdrawn or request.recreated_by is not None:",
        "if request.withdrawn:",
    ),
]

SERVERS = [
    one(
        "S",
        "a request is about the server that it was looked up at",
        "lifecycle/access.py",
        "if (url := seen_at(request)) not in (None, server.url):",
        "if (url := seen_at(request)) is None and False:",
    ),
    one(
        "S",
        "a server without allowedFrom takes the operator's namespace alone",
        "lifecycle/access.py",
        "allowed = own_namespace is not None and request.namespace == own_namespace",
        "allowed = True",
    ),
    one(
        "S",
        "a namespace is let in by its labels",
        "lifecycle/access.py",
        "allowed = selector is not None and selector.holds(labels)",
        "allowed = True",
    ),
    one(
        "S",
        "labels that can't be read let nobody in",
        "lifecycle/access.py",
        "if labels is None or isinstance(labels, str):",
        "if isinstance(labels, str):\n                return Open()\n            if labels is None:",
    ),
    one(
        "S",
        "protected names",
        "lifecycle/access.py",
        "if (glob := server.protects(name)) is not None:",
        "if (glob := server.protects(name)) is not None and False:",
    ),
    one("S", "allowed names", "lifecycle/access.py", "if not server.allows_name(name):", "if False:"),
    one(
        "S",
        "one that may not claims nothing",
        "lifecycle/pending.py",
        "    if not isinstance(facts.access, Open):\n        return shut_out(",
        "    if False:\n        return shut_out(",
    ),
    one(
        "S",
        "one that may not keeps nobody waiting",
        "lifecycle/ownership.py",
        "if not isinstance(facts.access, Open):",
        "if False:",
    ),
    one(
        "S",
        "a refusal stands for a minute before it is final",
        "lifecycle/waits.py",
        "final = max(facts.access_since, facts.first_seen) + REFUSAL_SECONDS",
        "final = 0.0",
    ),
    one(
        "S",
        "the minute of a refusal begins anew with whoever leads",
        "controller/task.py",
        "looks=(), outage=None, access_since=self._clock.ticks()",
        "looks=(), outage=None",
    ),
    one(
        "S",
        "an attempt is followed where it is",
        "lifecycle/placement.py",
        "    if recorded is not None and follows_job(request, facts):\n        return recorded\n",
        "",
    ),
    one(
        "S",
        "nothing is looked up for one at another server",
        "lifecycle/placement.py",
        "return named.url if named is not None and recorded in (None, named.url) else None",
        "return named.url if named is not None else None",
    ),
    one(
        "S",
        "one name on two servers is two targets",
        "lifecycle/placement.py",
        "return url_of(seen_at(request) or request.spec.server, servers), request.spec.namespace_name",
        'return "", request.spec.namespace_name',
    ),
    one(
        "S",
        "what was seen at one server says nothing of another",
        "controller/task.py",
        "            self.facts = elsewhere(self.facts, ticks)\n",
        "            pass\n",
    ),
    one(
        "S",
        "what a look found is recorded with its server",
        "lifecycle/statuses.py",
        "named or look.entry.creation_time, server=look.server)",
        "named or look.entry.creation_time)",
    ),
    one(
        "S",
        "a status that the CRD would prune does not land",
        "cluster/client.py",
        '"fieldValidation": "Strict"',
        '"fieldValidation": "Ignore"',
    ),
    one(
        "S",
        "a target is held where the claim may land",
        "controller/targets.py",
        "if member.facts.claiming and known is not None:",
        "if False:",
    ),
    one(
        "S",
        "a shorter timeout does not shorten the settle time of what is under way",
        "controller/live_servers.py",
        "Limits(max(client.timeout, known.limits.request_timeout), self._defaults.verify)",
        "Limits(client.timeout, self._defaults.verify)",
    ),
    one(
        "S",
        "a CA that is missing does not mean all public ones",
        "controller/live_servers.py",
        "pems[each.ca_file])",
        "pems.get(each.ca_file))",
    ),
    one(
        "S",
        "a server that left the file is kept while something is under way there",
        "controller/live_servers.py",
        "if not each.listed and each not in in_use]",
        "if not each.listed]",
    ),
    one("S", "keys are not shown", "moorcheh/credentials.py", "text = text.replace(key, REDACTED)", "pass"),
    one(
        "S",
        "a key with a line break is not sent",
        "moorcheh/credentials.py",
        "        if not KEY.fullmatch(key):\n",
        "        if False:\n",
    ),
]

TIME = [
    one(
        "3",
        "a machine that slept takes no old look for a fresh one",
        "clock.py",
        "return time.clock_gettime(time.CLOCK_BOOTTIME)",
        "return time.clock_gettime(time.CLOCK_MONOTONIC)",
    ),
    one(
        "8",
        "a server's clock that is set back is followed",
        "clock.py",
        "min(max(self.epoch, earliest), latest)",
        "max(self.epoch, earliest)",
    ),
    one(
        "8",
        "a server's clock that is set forward is followed",
        "clock.py",
        "min(max(self.epoch, earliest), latest)",
        "min(self.epoch, latest)",
    ),
    one(
        "8",
        "a date is from before the answer came",
        "clock.py",
        "earliest = time - timedelta(seconds=received)",
        "earliest = time - timedelta(seconds=sent)",
    ),
    one(
        "8",
        "a date is from after the request was sent",
        "clock.py",
        "latest = time + RESOLUTION - timedelta(seconds=sent)",
        "latest = time + RESOLUTION - timedelta(seconds=received)",
    ),
    one(
        "8",
        "a date is cut to whole seconds",
        "clock.py",
        "latest = time + RESOLUTION - timedelta(seconds=sent)",
        "latest = time - timedelta(seconds=sent)",
    ),
]

ENDS = [
    one(
        "8",
        "nothing expires before the first complete list",
        "controller/reconciler.py",
        "return self._shared.leads() and not self._shared.stopping and self._shared.listed",
        "return self._shared.leads() and not self._shared.stopping",
    ),
    one(
        "8",
        "what an unfinished request may need to know of is kept",
        "controller/expirations.py",
        "elif self._is_wanted(entry.server, entry.target):",
        "elif False:",
    ),
    one(
        "8",
        "an unfinished request is one for the same target",
        "controller/reconciler.py",
        "return self._targets.is_wanted((url_of(server, self._servers.defined), name))",
        "return False",
    ),
    one(
        "14",
        "one that does not lead deletes no ended object",
        "controller/expirations.py",
        "if not self._heap or not self._may_act():",
        "if not self._heap:",
    ),
]

LISTS = [
    one(
        "10",
        "a list counts only when it is complete",
        "controller/relist.py",
        "            try:\n                await self._list(started, unfinished=not every)\n",
        "            self.at = started\n            try:\n"
        "                await self._list(started, unfinished=not every)\n",
    ),
    one(
        "10",
        "a list counts only when what it lacks has been read",
        "controller/relist.py",
        "        await self._check(seen, started)",
        "        self.at = started\n        await self._check(seen, started)",
    ),
    one(
        "10",
        "a list counts only when it has been dealt with",
        "controller/relist.py",
        "                self._complete(started)\n                self.at = started\n",
        "                self.at = started\n                self._complete(started)\n",
    ),
    one(
        "11",
        "an object with a deletionTimestamp counts as deleted",
        "api/request.py",
        "withdrawn=metadata.deletion_timestamp is not None,",
        "withdrawn=False,",
    ),
]

LEADING = [
    one(
        "14",
        "a Lease is another's until it ran out",
        "cluster/leader_election.py",
        "if not lease.holder or unchanged_for >= lease.duration:",
        "if True:",
    ),
    one(
        "14",
        "a Lease is another's to its last second",
        "cluster/leader_election.py",
        "unchanged_for >= lease.duration",
        "unchanged_for >= RENEW_SECONDS",
    ),
    one(
        "14",
        "a leader that was frozen past its Lease leads no more",
        "cluster/leader_election.py",
        "return self._clock.ticks() < self._valid_until",
        'return self._valid_until > float("-inf")',
    ),
    one(
        "14",
        "a renewal counts from when it was sent",
        "cluster/leader_election.py",
        "        self._count(now.ticks)",
        "        self._count(self._clock.ticks())",
    ),
    one(
        "14",
        "a renewal that is read back counts from when it was sent",
        "cluster/leader_election.py",
        "self._count(self._sent[lease.renew_time])",
        "self._count(self._clock.ticks())",
    ),
    one(
        "14",
        "only a renewal of its own counts when it is read back",
        "cluster/leader_election.py",
        "if lease.holder == self._identity and lease.renew_time in self._sent:\n"
        "            self._count(self._sent[lease.renew_time])",
        "if lease.holder == self._identity:\n"
        "            self._count(self._sent.get(lease.renew_time, self._clock.ticks()))",
    ),
    one(
        "14",
        "a renewal of its own counts when it is read back",
        "cluster/leader_election.py",
        "if lease.holder == self._identity and lease.renew_time in self._sent:",
        "if False:",
    ),
    one(
        "14",
        "a slow API server ends no leadership",
        "cluster/leader_election.py",
        "self._valid_until - started if self.leads() else RENEW_SECONDS",
        "RETRY_SECONDS",
    ),
    one(
        "14",
        "one that is too slow to lead does not keep the lead from others",
        "cluster/leader_election.py",
        "if ours and leads:",
        "if ours:",
    ),
    one(
        "14",
        "what was sent before a lapse does not bring the lead back",
        "cluster/leader_election.py",
        "            self._sent.clear()\n",
        "",
    ),
    one(
        "14",
        "the lead ends with the process' own clock, whatever it still waits for",
        "cluster/leader_election.py",
        "self._valid_until = sent + RENEW_SECONDS",
        "self._valid_until = sent + 2 * RENEW_SECONDS",
    ),
    one(
        "14",
        "a leader that sees another's Lease leads no more",
        "cluster/leader_election.py",
        '            case Move.WAIT:\n                self._valid_until = float("-inf")\n',
        "            case Move.WAIT:\n                pass\n",
    ),
    one(
        "14",
        "one that does not lead records nothing but what it has sent itself",
        "controller/task.py",
        "return isinstance(step, Record) and own_send(self.request, self.facts) is not None",
        "return isinstance(step, Record)",
    ),
    one(
        "14",
        "one that does not lead records what it has sent itself",
        "controller/task.py",
        "return isinstance(step, Record) and own_send(self.request, self.facts) is not None",
        "return False",
    ),
]


def _name(name: str, test: str, search: str, replacement: str) -> Mutation:
    """One test is asked, and not its file: it takes a control plane."""
    tests = (f"tests/integration/test_identity.py::{test}",)
    return Mutation("N", name, "crds/identity.yaml", ((search, replacement),), tests)


NAMES = [
    _name(
        "nobody asks under another's name where nothing fills it in",
        "test_where_nothing_fills_it_in_no_name_but_ones_own_is_taken",
        "? variables.names[?'moorcheh.ai/requested-by'].orValue(variables.user) == variables.user",
        "? true",
    ),
    _name(
        "who asked can't be changed where nothing fills it in",
        "test_where_nothing_fills_it_in_a_change_of_a_name_is_refused",
        ": variables.names[?'moorcheh.ai/requested-by'] == variables.oldNames[?'moorcheh.ai/requested-by']",
        ": true",
    ),
    _name(
        "nobody approves under another's name where nothing fills it in",
        "test_where_nothing_fills_it_in_nobody_approves_under_another_s_name",
        "? variables.names[?'moorcheh.ai/approved-by'].orValue(variables.user) == variables.user",
        "? true",
    ),
    _name(
        "an approval is not added later where nothing fills it in",
        "test_where_nothing_fills_it_in_a_change_of_a_name_is_refused",
        ": variables.names[?'moorcheh.ai/approved-by'] == variables.oldNames[?'moorcheh.ai/approved-by']",
        ": true",
    ),
    _name(
        "the mark of a copy stays where nothing writes it",
        "test_where_nothing_fills_it_in_a_change_of_a_name_is_refused",
        "|| variables.names[?'moorcheh.ai/copy-of'] == variables.oldNames[?'moorcheh.ai/copy-of']",
        "|| true",
    ),
    _name(
        "what was typed is overwritten",
        "test_whoever_creates_a_request_is_who_asked_whatever_was_typed",
        "oldObject == null ? variables.user : variables.oldNames[?'moorcheh.ai/requested-by'].orValue('')",
        "variables.names[?'moorcheh.ai/requested-by'].orValue(variables.user)",
    ),
    _name(
        "an approval is the approver's",
        "test_whoever_creates_a_request_is_who_asked_whatever_was_typed",
        "variables.letsGo ? variables.user : variables.oldNames",
        "variables.letsGo ? variables.names[?'moorcheh.ai/approved-by'].orValue(variables.user)"
        " : variables.oldNames",
    ),
    _name(
        "what has a status is a copy",
        "test_what_is_made_of_a_kept_receipt_is_marked_as_a_copy_or_refused",
        "        || object.?status.?phase.orValue('') != '')",
        "        )",
    ),
    _name(
        "what has a generation is a copy",
        "test_what_is_made_of_a_kept_receipt_is_marked_as_a_copy_or_refused",
        "object.metadata.?generation.orValue(0) > 0 || ",
        "",
    ),
    _name(
        "nothing is approved after the end",
        "test_after_the_end_nothing_is_approved_any_more",
        "        && !(oldObject.?status.?phase.orValue('') in ['Succeeded', 'Failed'])))\n    # A new",
        "        ))\n    # A new",
    ),
]

TABLE: tuple[Mutation, ...] = (
    *WRITES,
    *SENDING,
    *ANSWERS,
    *FURTHER,
    *INCARNATION,
    *PRECONDITIONS,
    *TARGET,
    *BORDER,
    *SERVERS,
    *TIME,
    *ENDS,
    *LISTS,
    *LEADING,
    *NAMES,
)
