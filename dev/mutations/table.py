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
        "cluster.py",
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
        "reconciler.py",
        "if tracked.request.resource_version != built_on:",
        "if False:",
    ),
    one(
        "2",
        "an object of the same name is another one",
        "reconciler.py",
        "            if request is None or request.uid != tracked.request.uid:\n",
        "            if request is None:\n",
    ),
    one(
        "2",
        "the job's id lands where its texts are rejected",
        "reconciler.py",
        "if isinstance(await self._write(tracked, bare(status)), Invalid):",
        "if True:",
    ),
    one(
        "2",
        "deleted items never fall",
        "polling.py",
        "deleted_items=max(counts, default=None)",
        "deleted_items=report.deleted_items",
    ),
]

SENDING = [
    one(
        "1",
        "a fresh attempt id",
        "reconciler.py",
        "attempt_id = str(uuid.uuid4())",
        "attempt_id = before.attempt.id if before.attempt else str(uuid.uuid4())",
    ),
    one("1", "the claim clears the job", "lifecycle.py", "        job=None,\n        progress=None,\n", ""),
    Mutation(
        "1",
        "the claim is written before the DELETE is sent",
        "reconciler.py",
        (
            (
                "        self._set_claiming(tracked, claiming=True)\n",
                (
                    "        self._set_claiming(tracked, claiming=True)\n"
                    "        assert tracked.held is not None\n"
                    "        early = await self._send_delete(tracked, tracked.held.lane, attempt_id, now)\n"
                ),
            ),
            (
                "            sent = await self._send_delete(tracked, tracked.held.lane, attempt_id, now)",
                "            sent = early",
            ),
        ),
    ),
    one(
        "3",
        "only the winner of the claim sends",
        "reconciler.py",
        "landed = attempt is not None and attempt.id == attempt_id",
        "landed = attempt is not None",
    ),
    one(
        "3",
        "the send window",
        "reconciler.py",
        "leave_by = claimed.ticks + lifecycle.SEND_WINDOW",
        "leave_by = claimed.ticks + 3600.0",
    ),
    one(
        "3",
        "the look is fresh",
        "lifecycle.py",
        "return Claim() if fresh else LookUp(to_claim=True)",
        "return Claim()",
    ),
    one(
        "7",
        "an old look ends nothing",
        "lifecycle.py",
        "return Record(verdict) if fresh else LookUp(to_claim=True)",
        "return Record(verdict)",
    ),
    one(
        "7",
        "a look from before the binding counts no more",
        "reconciler.py",
        "        target.creation_time if target else None,\n",
        "        None,\n",
    ),
    one(
        "3",
        "target and slots are held before the look",
        "lifecycle.py",
        "if facts.held_since is not None and look.started >= facts.held_since:",
        "if facts.held_since is not None:",
    ),
    one(
        "3",
        "nobody sends for an attempt that it finds",
        "lifecycle.py",
        "        return _verifying(request, facts, now, limits, facts.first_seen + limits.settle, None)\n",
        '        return Record(next_status(request, now, Phase.PENDING, Reason.RETRYING, "once more"))\n',
    ),
    one(
        "8",
        "the clocks have not moved since the look",
        "reconciler.py",
        "            or abs(tracked.server.clock.skew() - look.skew) > CLOCK_ERROR\n",
        "",
    ),
    one(
        "11",
        "an object deleted meanwhile sends nothing",
        "reconciler.py",
        "        elif tracked.request.withdrawn:\n",
        "        elif False:\n",
    ),
    one(
        "11",
        "a deleted object stays deleted",
        "reconciler.py",
        "        if tracked.request.withdrawn and not request.withdrawn:\n",
        "        if False:\n",
    ),
    one(
        "11",
        "a deleted object does nothing more",
        "lifecycle.py",
        "    if request.withdrawn or request.status.phase in ENDED:\n        return _over(",
        "    if request.status.phase in ENDED:\n        return _over(",
    ),
    one(
        "",
        "a suspended request is held",
        "lifecycle.py",
        "case _ if request.spec.suspend:",
        "case _ if False:",
    ),
    one(
        "",
        "a restored request sends nothing",
        "lifecycle.py",
        "case _ if request.restored and not is_dated(request.status.target):",
        "case _ if False:",
    ),
    one(
        "14",
        "one that does not lead claims nothing",
        "reconciler.py",
        "(self._leads() or tracked.request.withdrawn)",
        "True",
    ),
    one(
        "14",
        "a deleted object's job is followed by every replica",
        "reconciler.py",
        "(self._leads() or tracked.request.withdrawn)",
        "self._leads()",
    ),
    one(
        "14",
        "a lapse of the Lease is told though a renewal ends it",
        "leadership.py",
        "                    self._tell(on_change)  # a lapse",
        "                    # a lapse",
    ),
    one(
        "3",
        "a connection that takes too long carries no DELETE",
        "moorcheh.py",
        "(leave_by - self._clock.ticks()) / 2)",
        "inf)",
    ),
    one(
        "5",
        "the kernel forgets what was given up",
        "moorcheh.py",
        "socket_options=[NO_LATE_DELIVERY]",
        "socket_options=[]",
    ),
    one(
        "14",
        "one that is stopping claims nothing",
        "reconciler.py",
        "if not self._stopping and (self._leads()",
        "if (self._leads()",
    ),
]

ANSWERS = [
    one(
        "4",
        "a timeout is no proof that nothing was sent",
        "moorcheh.py",
        NOT_SENT,
        "except (httpx.ConnectError, httpx.TimeoutException, TimeoutError, _HeldBackError) as error:\n"
        "            return NotSent",
    ),
    one(
        "4",
        "a dropped connection is no proof that nothing was sent",
        "moorcheh.py",
        NOT_SENT,
        "except (httpx.TransportError, _HeldBackError) as error:\n            return NotSent",
    ),
    one("4", "a 503 is no refusal", "moorcheh.py", "case 401 | 403 | 429:", "case 401 | 403 | 429 | 503:"),
    one(
        "4",
        "a 404 is no rejection",
        "moorcheh.py",
        "        case 400 | 422:\n            return R",
        "        case 400 | 422 | 404:\n            return R",
    ),
    one(
        "4",
        "an unclear answer does not go back to Pending",
        "lifecycle.py",
        "case NotSent(error) | Refused(error):",
        "case NotSent(error) | Refused(error) | Unclear(error):",
    ),
    one(
        "5",
        "a proxy's 404 settles nothing",
        "moorcheh.py",
        "return Unclear(words, settled=response.message is not None)",
        "return Unclear(words, settled=True)",
    ),
    one(
        "5",
        "a 5xx settles nothing",
        "moorcheh.py",
        "            return Unclear(words)\n",
        "            return Unclear(words, settled=True)\n",
    ),
    one(
        "5", "the settle time", "lifecycle.py", "return 2 * self.request_timeout + SETTLE_EXTRA", "return 0.0"
    ),
    one(
        "5",
        "no verdict before the attempt is settled",
        "lifecycle.py",
        "    if now.ticks < settled_at:\n        return Wait(settled_at, status)\n"
        "    looks = tuple(look for look in facts.looks if look.started >= settled_at)\n"
        "    verdict = agreed(looks, request.status.target, settled_at, LOOK_GAP)\n",
        "    looks = facts.looks\n    verdict = agreed(looks, request.status.target, 0.0, LOOK_GAP)\n",
    ),
    one(
        "5",
        "an unknown outcome is the end",
        "lifecycle.py",
        "ended(request, now, Phase.FAILED, Reason.OUTCOME_UNKNOWN, message, last_error=last_error)",
        "next_status(request, now, Phase.PENDING, Reason.RETRYING, message, last_error=last_error)",
    ),
    one(
        "5",
        "a second look",
        "sight.py",
        "if not run or run[0].started - run[-1].answered < gap:",
        "if not run:",
    ),
    one(
        "5",
        "looks that agree",
        "sight.py",
        "(run and sight(look, target) is not sight(run[0], target))",
        "False",
    ),
    one("5", "only looks since then", "sight.py", "if look.started < since or", "if"),
]

FURTHER = [
    one("6", "three times unknown", "polling.py", "facts.unknown_count >= LOST_POLLS and ", ""),
    one(
        "6",
        "unknown for fifteen seconds",
        "polling.py",
        " and facts.polled.answered - facts.unknown_since >= LOST_SECONDS",
        "",
    ),
    one(
        "6",
        "a proxy's 404 is no unknown job",
        "moorcheh.py",
        "if response.status == httpx.codes.NOT_FOUND and response.message is not None:",
        "if response.status == httpx.codes.NOT_FOUND:",
    ),
    one(
        "6",
        "a newer incarnation is another",
        "sight.py",
        "return Sight.SAME if shown == bound else Sight.REPLACED",
        "return Sight.SAME",
    ),
    one(
        "6",
        "without a creation time nothing is the same",
        "sight.py",
        "    if bound is None or shown is None or shown < bound:\n        return Sight.UNCLEAR\n",
        "    if bound is None or shown is None or shown < bound:\n        return Sight.SAME\n",
    ),
    one(
        "6",
        "a creation time that shows up late binds no further attempt",
        "statuses.py",
        "if is_dated(recorded) or request.status.attempt is not None:",
        "if is_dated(recorded):",
    ),
    one(
        "6",
        "the wait before a further attempt",
        "lifecycle.py",
        "if verdict is Sight.SAME and now.ticks >= retry_at:",
        "if verdict is Sight.SAME:",
    ),
    one(
        "6",
        "the limit, where the job was lost",
        "lifecycle.py",
        "over = attempt.number > request.spec.backoff_limit",
        "over = False",
    ),
    one(
        "6",
        "the limit, where the job failed",
        "lifecycle.py",
        "    if attempt.number > request.spec.backoff_limit:\n        return limit_exceeded(",
        "    if False:\n        return limit_exceeded(",
    ),
    one(
        "6",
        "two looks of this very end of a job",
        "lifecycle.py",
        "verdict = agreed(facts.looks, target, facts.first_seen, LOOK_GAP)",
        "verdict = agreed(facts.looks, target, facts.first_seen, 0.0)",
    ),
    one(
        "6",
        "a report is about the job that it names",
        "polling.py",
        "if report is None or report.id != recorded.id:",
        "if report is None:",
    ),
    one(
        "6",
        "a poll's answer is about the attempt it was asked for",
        "reconciler.py",
        "if _chapter(tracked.request) == chapter:",
        "if True:",
    ),
    one(
        "6",
        "what was seen of one attempt is nothing to the next",
        "reconciler.py",
        "        status.phase or Phase.PENDING,\n        attempt.id if attempt else None,\n",
        '        Phase.PENDING,\n        None if attempt else "none",\n',
    ),
]

INCARNATION = [
    one(
        "7",
        "the first look binds",
        "facts.py",
        "if look.entry is not None and (bound is None or parse_birth(bound.creation_time) is None):",
        "if look.entry is not None:",
    ),
    one(
        "7",
        "what is recorded binds",
        "statuses.py",
        "if is_dated(recorded) or request.status.attempt is not None:",
        "if False:",
    ),
    one(
        "7",
        "the target is frozen by the claim",
        "statuses.py",
        "if recorded is not None and request.status.attempt is not None:",
        "if False:",
    ),
    one(
        "7",
        "a wait writes what it is bound to",
        "statuses.py",
        "if facts.looks and not is_dated(target):",
        "if False:",
    ),
    one("7", "a replaced target is left alone", "fences.py", "if seen is Sight.REPLACED:", "if False:"),
    one(
        "7",
        "an earlier or missing creation time is no proof",
        "fences.py",
        "if seen is Sight.UNCLEAR and bound is not None and is_dated(bound):",
        "if False:",
    ),
    one(
        "8",
        "never newer than the request",
        "fences.py",
        "if created + look.skew <= request.creation_time + grace:",
        "if True:",
    ),
    one(
        "8",
        "the clocks are compared",
        "fences.py",
        "if created + look.skew <= request.creation_time + grace:",
        "if created <= request.creation_time + grace:",
    ),
    one(
        "8",
        "the tolerance is three seconds",
        "fences.py",
        "TOLERANCE = timedelta(seconds=3)",
        "TOLERANCE = timedelta(seconds=30)",
    ),
    one(
        "8",
        "no tolerance behind another request",
        "fences.py",
        "grace = -CLOCK_ERROR if _another_ended_meanwhile(request, facts) else TOLERANCE",
        "grace = TOLERANCE",
    ),
    one(
        "8",
        "strict where another was seen to end",
        "fences.py",
        "return seen or facts.queued or",
        "return facts.queued or",
    ),
    one(
        "8",
        "strict where it stood behind another",
        "fences.py",
        "return seen or facts.queued or",
        "return seen or",
    ),
    one(
        "8", "strict after a restart", "fences.py", " or request.status.reason == Reason.TARGET_BUSY\n", "\n"
    ),
    one(
        "8",
        "having waited is not forgotten",
        "reconciler.py",
        "queued=tracked.facts.queued or blocked,",
        "queued=blocked,",
    ),
    one(
        "8",
        "the end of a job that outlived its request is noted",
        "targets.py",
        "if rank == IN_WORK and (request.withdrawn or request.status.reason == Reason.DEADLINE_EXCEEDED):",
        "if False:",
    ),
    one(
        "8",
        "ends of others are noted",
        "reconciler.py",
        "rival_end=self._targets.last_end(request),",
        "rival_end=None,",
    ),
    one(
        "8",
        "nothing undated behind another request",
        "fences.py",
        "    if not _another_ended_meanwhile(request, facts):\n        return None\n",
        "    if True:\n        return None\n",
    ),
    one(
        "8",
        "nothing undated is sent again where it was refused",
        "lifecycle.py",
        "        case Refused(error) if not is_dated(request.status.target):\n"
        "            return Record(_refused_for_good(request, error, now))\n",
        "",
    ),
    one(
        "8",
        "an outage does not hide that it waited",
        "lifecycle.py",
        "    if queued and request.status.attempt is None:\n",
        "    if False:\n",
    ),
]

PRECONDITIONS = [
    one(
        "9",
        "createdBefore without a creation time",
        "fences.py",
        "        if created is None:\n            message",
        "        if created is None:\n            return None\n            message",
    ),
    one(
        "9", "createdBefore", "fences.py", "if max(created, corrected) >= bounds.created_before:", "if False:"
    ),
    one(
        "9",
        "createdBefore by either clock",
        "fences.py",
        "if max(created, corrected) >= bounds.created_before:",
        "if min(created, corrected) >= bounds.created_before:",
    ),
    one(
        "9",
        "createdBefore is exclusive",
        "fences.py",
        "if max(created, corrected) >= bounds.created_before:",
        "if max(created, corrected) > bounds.created_before:",
    ),
    one(
        "9",
        "maxItems without a count",
        "fences.py",
        "        if entry.item_count is None:\n",
        "        if entry.item_count is None:\n            return None\n        if False:\n",
    ),
    one("9", "maxItems", "fences.py", "if entry.item_count > bounds.max_items:", "if False:"),
    one(
        "9", "maxItems 0 is a bound", "fences.py", "if bounds.max_items is not None:", "if bounds.max_items:"
    ),
    one(
        "9",
        "less than nothing is no count",
        "moorcheh.py",
        "return None if negative else _count(value)",
        "return _count(value)",
    ),
]

TARGET = [
    one(
        "10",
        "the target is held",
        "lifecycle.py",
        "    if facts.holder is not None:\n        return _behind(",
        "    if False:\n        return _behind(",
    ),
    one(
        "10",
        "an open attempt keeps the target",
        "tenure.py",
        "    if facts.claiming or follows_job(request, facts):\n        return IN_WORK\n",
        "    if facts.claiming:\n        return 0\n",
    ),
    one(
        "10",
        "a claim under way keeps the target",
        "reconciler.py",
        "self._set_claiming(tracked, claiming=True)",
        "self._set_claiming(tracked, claiming=False)",
    ),
    one(
        "10",
        "a job past the deadline keeps the target",
        "tenure.py",
        "return cut_short and status.job is not None and _unfinished(status.job.state, facts)",
        "return False",
    ),
    one(
        "10",
        "the attempt of a deleted object keeps the target until it is settled",
        "lifecycle.py",
        "return Forget() if now.ticks >= settled_at else Wait(settled_at, status)",
        "return Forget()",
    ),
    one(
        "10",
        "the job of a deleted object keeps the target",
        "lifecycle.py",
        "            if job_over(facts):\n                return Forget()\n",
        "            if True:\n                return Forget()\n",
    ),
    one(
        "10",
        "no claim before the first complete list",
        "reconciler.py",
        "may_claim=self._relist.at is not None,",
        "may_claim=True,",
    ),
    one(
        "10",
        "a page that is missing makes no complete list",
        "cluster.py",
        PAGE.format("raise ClusterError(answer.describe(), answer.status)"),
        PAGE.format("return"),
    ),
    one(
        "10",
        "what was seen while another had the target decides nothing",
        "reconciler.py",
        "            tracked.facts = dataclasses.replace(tracked.facts, looks=())\n        tracked.facts =",
        "        tracked.facts =",
    ),
    one(
        "12",
        "no deadline while a DELETE may be in flight",
        "lifecycle.py",
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
        "moorcheh.py",
        "if request.url.raw_path != raw_path or request.url.query:",
        "if False:",
    ),
    one(
        "13",
        "the name is a name",
        "moorcheh.py",
        "if any(not NAME.fullmatch(name) for name in path[1:2]):",
        "if False:",
    ),
    one(
        "13",
        "an answered job id is an id",
        "moorcheh.py",
        'case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):',
        'case {"job_id": str(job_id)}:',
    ),
    one(
        "13",
        "the whole of a job id is matched",
        "moorcheh.py",
        'case {"job_id": str(job_id)} if JOB_ID.fullmatch(job_id):',
        'case {"job_id": str(job_id)} if JOB_ID.match(job_id):',
    ),
    one(
        "13",
        "a recorded job id is an id",
        "moorcheh.py",
        "        if not JOB_ID.fullmatch(job_id):\n",
        "        if False:\n",
    ),
    one("13", "a body is capped", "moorcheh.py", "        if len(body) > limit:\n", "        if False:\n"),
    one(
        "13",
        "an answer that trickles ends",
        "moorcheh.py",
        "async with asyncio.timeout(self._timeout):",
        "async with asyncio.timeout(None):",
    ),
    one(
        "13",
        "a listing that failed is not empty",
        "moorcheh.py",
        LISTED.format("return Unavailable(response.describe())"),
        LISTED.format("return Listing({}, self._clock.skew())"),
    ),
    one(
        "13",
        "what is no listing is not empty",
        "moorcheh.py",
        '        return "the listing is not the JSON that was expected"\n',
        "        return {}\n",
    ),
    one(
        "13",
        "an entry without a name spoils the listing",
        "moorcheh.py",
        '            return "the listing has an entry without a name"\n',
        "            continue\n",
    ),
    one(
        "13",
        "a name twice spoils the listing",
        "moorcheh.py",
        '            return "the listing has a name twice"\n',
        "            continue\n",
    ),
    one(
        "13",
        "the job that is answered is the one that was asked for",
        "moorcheh.py",
        'if body.get("job_id", job_id) != job_id or body.get("namespace_name", name) != name:',
        "if False:",
    ),
    one(
        "",
        "an expired object is deleted only as it was seen",
        "cluster.py",
        'preconditions = {"uid": uid, "resourceVersion": resource_version}',
        "preconditions = dict[str, str]()",
    ),
    one(
        "",
        "what would be created again is kept",
        "retention.py",
        "if request.withdrawn or request.recreated_by is not None:",
        "if request.withdrawn:",
    ),
]

SERVERS = [
    one(
        "S",
        "a request is about the server that it was looked up at",
        "access.py",
        "if (url := seen_at(request)) not in (None, server.url):",
        "if (url := seen_at(request)) is None and False:",
    ),
    one(
        "S",
        "a server without allowedFrom takes the operator's namespace alone",
        "access.py",
        "allowed = own_namespace is not None and request.namespace == own_namespace",
        "allowed = True",
    ),
    one(
        "S",
        "a namespace is let in by its labels",
        "access.py",
        "allowed = all(term.holds(labels) for term in server.selector)",
        "allowed = True",
    ),
    one(
        "S",
        "labels that can't be read let nobody in",
        "access.py",
        "if labels is None or isinstance(labels, str):",
        "if isinstance(labels, str):\n                return Open()\n            if labels is None:",
    ),
    one(
        "S",
        "protected names",
        "access.py",
        "if (glob := server.protects(name)) is not None:",
        "if (glob := server.protects(name)) is not None and False:",
    ),
    one("S", "allowed names", "access.py", "if not server.allows_name(name):", "if False:"),
    one(
        "S",
        "one that may not claims nothing",
        "lifecycle.py",
        "    if not isinstance(facts.access, Open):\n        return _shut_out(",
        "    if False:\n        return _shut_out(",
    ),
    one(
        "S",
        "one that may not keeps nobody waiting",
        "tenure.py",
        "if not isinstance(facts.access, Open):",
        "if False:",
    ),
    one(
        "S",
        "a refusal stands for a minute before it is final",
        "lifecycle.py",
        "final = max(facts.access_since, facts.first_seen) + REFUSAL_SECONDS",
        "final = 0.0",
    ),
    one(
        "S",
        "the minute of a refusal begins anew with whoever leads",
        "reconciler.py",
        "looks=(), outage=None, access_since=self._clock.ticks()",
        "looks=(), outage=None",
    ),
    one(
        "S",
        "an attempt is followed where it is",
        "placement.py",
        "    if recorded is not None and follows_job(request, facts):\n        return recorded\n",
        "",
    ),
    one(
        "S",
        "nothing is looked up for one at another server",
        "placement.py",
        "return named.url if named is not None and recorded in (None, named.url) else None",
        "return named.url if named is not None else None",
    ),
    one(
        "S",
        "one name on two servers is two targets",
        "placement.py",
        "return url_of(seen_at(request) or request.spec.server, servers), request.spec.namespace_name",
        'return "", request.spec.namespace_name',
    ),
    one(
        "S",
        "what was seen at one server says nothing of another",
        "reconciler.py",
        "            tracked.facts = elsewhere(tracked.facts, ticks)\n",
        "            pass\n",
    ),
    one(
        "S",
        "what a look found is recorded with its server",
        "statuses.py",
        "named or look.entry.creation_time, server=look.server)",
        "named or look.entry.creation_time)",
    ),
    one(
        "S",
        "a status that the CRD would prune does not land",
        "cluster.py",
        '"fieldValidation": "Strict"',
        '"fieldValidation": "Ignore"',
    ),
    one(
        "S",
        "a target is held where the claim may land",
        "targets.py",
        "if member.facts.claiming and known is not None:",
        "if False:",
    ),
    one(
        "S",
        "a shorter timeout does not shorten the settle time of what is under way",
        "connections.py",
        "Limits(max(client.timeout, known.limits.request_timeout), self._defaults.verify)",
        "Limits(client.timeout, self._defaults.verify)",
    ),
    one(
        "S",
        "a CA that is missing does not mean all public ones",
        "connections.py",
        "pems[each.ca_file])",
        "pems.get(each.ca_file))",
    ),
    one(
        "S",
        "a server that left the file is kept while something is under way there",
        "connections.py",
        "if not each.listed and each not in in_use]",
        "if not each.listed]",
    ),
    one("S", "keys are not shown", "credentials.py", "text = text.replace(key, REDACTED)", "pass"),
    one(
        "S",
        "a key with a line break is not sent",
        "credentials.py",
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
        "reconciler.py",
        "return self._leads() and not self._stopping and self._relist.at is not None",
        "return self._leads() and not self._stopping",
    ),
    one(
        "8",
        "what an unfinished request may need to know of is kept",
        "expirations.py",
        "elif self._is_wanted(entry.server, entry.target):",
        "elif False:",
    ),
    one(
        "8",
        "an unfinished request is one for the same target",
        "reconciler.py",
        "return self._targets.is_wanted((url_of(server, self._connections.servers), name))",
        "return False",
    ),
    one(
        "14",
        "one that does not lead deletes no ended object",
        "expirations.py",
        "if not self._heap or not self._may_act():",
        "if not self._heap:",
    ),
]

LISTS = [
    one(
        "10",
        "a list counts only when it is complete",
        "relist.py",
        "            try:\n                await self._list(started)\n",
        "            self.at = started\n            try:\n                await self._list(started)\n",
    ),
    one(
        "10",
        "a list counts only when what it lacks has been read",
        "relist.py",
        "        await self._check(seen, started)",
        "        self.at = started\n        await self._check(seen, started)",
    ),
    one(
        "10",
        "a list counts only when it has been dealt with",
        "relist.py",
        "                self._complete(started)\n                self.at = started\n",
        "                self.at = started\n                self._complete(started)\n",
    ),
    one(
        "11",
        "an object with a deletionTimestamp counts as deleted",
        "model.py",
        'withdrawn=bool(metadata.get("deletionTimestamp")),',
        "withdrawn=False,",
    ),
]

LEADING = [
    one(
        "14",
        "a Lease is another's until it ran out",
        "leadership.py",
        "return Move.TAKE if not lease.holder or unchanged_for > lease.duration else Move.WAIT",
        "return Move.TAKE",
    ),
    one(
        "14",
        "a Lease is another's to its last second",
        "leadership.py",
        "unchanged_for > lease.duration",
        "unchanged_for > RENEW_SECONDS",
    ),
    one(
        "14",
        "a leader that was frozen past its Lease leads no more",
        "leadership.py",
        "return self._clock.ticks() < self._valid_until",
        'return self._valid_until > float("-inf")',
    ),
    one(
        "14",
        "a renewal counts from when it was sent",
        "leadership.py",
        "self._valid_until = started + RENEW_SECONDS",
        "self._valid_until = self._clock.ticks() + RENEW_SECONDS",
    ),
    one(
        "14",
        "a leader that sees another's Lease leads no more",
        "leadership.py",
        '            case Move.WAIT:\n                self._valid_until = float("-inf")\n',
        "            case Move.WAIT:\n",
    ),
    one(
        "14",
        "one that does not lead records nothing but what it has sent itself",
        "reconciler.py",
        "return isinstance(step, Record) and lifecycle.own_send(tracked.request, tracked.facts) is not None",
        "return isinstance(step, Record)",
    ),
    one(
        "14",
        "one that does not lead records what it has sent itself",
        "reconciler.py",
        "return isinstance(step, Record) and lifecycle.own_send(tracked.request, tracked.facts) is not None",
        "return False",
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
)
