"""Who asked and who approved: what the policies beside the CRD make of it, on the real API server, through
kubectl, as people. On control planes of their own: a policy is for the whole cluster.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.controlplane import ControlPlane, KubectlError
from tests.dev.waiting import until
from tests.integration.conftest import install
from tests.integration.life import API, client_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Json = dict[str, Any]

OLDER = Path(__file__).parents[2] / "manifests"
SPACE = "team"
ARGO = "system:serviceaccount:argocd:argocd-application-controller"
FLUX = "system:serviceaccount:flux-system:kustomize-controller"
PEOPLE = dict.fromkeys(("jane", "bob", ARGO, FLUX), ("system:authenticated",))
REQUESTED, APPROVED, COPY = (f"moorcheh.ai/{name}" for name in ("requested-by", "approved-by", "copy-of"))
FORGED = {REQUESTED: "the-cfo", APPROVED: "the-ceo"}


class Cluster:
    """An API server with the operator's manifests, on which each test has a request of its own."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._made = 0
        plane.kubectl("create", "namespace", SPACE)
        for number, person in enumerate(PEOPLE):
            role = "--clusterrole=moorcheh-namespacedeletion-requester"
            plane.kubectl("create", "rolebinding", f"r{number}", "-n", SPACE, role, f"--user={person}")

    def name(self) -> str:
        self._made += 1
        return f"request-{self._made}"

    def run(self, *arguments: str, user: str = "admin", body: object = None) -> str | None:
        """What kubectl says against it; None: it was taken."""
        try:
            self.plane.kubectl(
                *arguments, "-n", SPACE, user=user, input=None if body is None else json.dumps(body)
            )
        except KubectlError as error:
            return str(error)
        return None

    def read(self, name: str) -> Json:
        found: Json = json.loads(self.plane.kubectl("get", "nsdel", name, "-n", SPACE, "-o", "json"))
        return found

    def names(self, name: str) -> Json:
        notes = self.read(name)["metadata"].get("annotations", {})
        return {key: notes[key] for key in (REQUESTED, APPROVED, COPY) if key in notes}

    def ask(self, user: str = "jane", *, suspend: bool = True, notes: Json | None = None) -> str:
        name = self.name()
        said = self.run("create", "-f", "-", user=user, body=request(name, suspend=suspend, notes=notes))
        assert said is None, said
        return name

    def patch(self, name: str, change: object, user: str, *options: str) -> str | None:
        words = ("--type=merge", *options, "-p", json.dumps(change))
        return self.run("patch", "nsdel", name, *words, user=user)

    def records(self, name: str, phase: str) -> None:
        """As the operator does, with its own rights."""
        options = client_options(self.plane) | {
            "headers": {"Authorization": f"Bearer {self.plane.token('operator')}"}
        }
        with httpx.Client(**options) as http:
            path = f"{API}/namespaces/{SPACE}/namespacedeletions/{name}/status"
            merge = {"Content-Type": "application/merge-patch+json"}
            body = json.dumps({"status": {"phase": phase, "observedGeneration": 1}})
            answer = http.patch(path, content=body, headers=merge)
        assert answer.status_code == 200, answer.text


def request(name: str, *, suspend: bool = True, notes: Json | None = None) -> Json:
    return {
        "apiVersion": "moorcheh.ai/v1alpha1",
        "kind": "NamespaceDeletion",
        "metadata": {"name": name, "annotations": notes or {}},
        "spec": {"namespaceName": "docs", "suspend": suspend},
    }


@pytest.fixture(scope="module")
def stamping() -> Iterator[Cluster]:
    """Both policies, as crds has them."""
    with ControlPlane(users=PEOPLE) as plane:
        install(plane)
        cluster = Cluster(plane)
        assert until(lambda: in_force(cluster, stamped=True))
        yield cluster


@pytest.fixture(scope="module")
def refusing() -> Iterator[Cluster]:
    """The validating one alone, as on an older Kubernetes."""
    with ControlPlane(users=PEOPLE) as plane:
        install(plane, api=OLDER / "kubernetes-1.31")
        cluster = Cluster(plane)
        assert until(lambda: in_force(cluster, stamped=False))
        yield cluster


def in_force(cluster: Cluster, *, stamped: bool) -> bool:
    """A policy is read from a cache that follows its creation. Nothing is kept by a dry run."""
    forged = request("probe", notes=FORGED)
    try:
        shown = cluster.plane.kubectl(
            "create",
            "-n",
            SPACE,
            "--dry-run=server",
            "-o=json",
            "-f",
            "-",
            user="jane",
            input=json.dumps(forged),
        )
    except KubectlError as error:
        return not stamped and "can only name you" in str(error)
    return stamped and json.loads(shown)["metadata"]["annotations"].get(REQUESTED) == "jane"


# Creation


CREATIONS = {
    "create": ("create", "-f", "-"),
    "apply": ("apply", "-f", "-"),
    "apply-server-side": ("apply", "--server-side", "-f", "-"),
    "without-validation": ("create", "--validate=false", "-f", "-"),
    "replace-by-force": ("replace", "--force", "-f", "-"),
}


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "at-once"])
@pytest.mark.parametrize("notes", [{}, FORGED], ids=["nothing-typed", "other-names-typed"])
@pytest.mark.parametrize("way", CREATIONS)
def test_whoever_creates_a_request_is_who_asked_whatever_was_typed(
    stamping: Cluster, way: str, notes: Json, suspend: bool
) -> None:
    name = stamping.name()

    assert (
        stamping.run(*CREATIONS[way], user="jane", body=request(name, suspend=suspend, notes=notes)) is None
    )

    assert stamping.names(name) == {REQUESTED: "jane"} | ({} if suspend else {APPROVED: "jane"})


@pytest.mark.parametrize(
    ("way", "notes", "suspend", "words"),
    [
        *[(way, FORGED, True, "can only name you, jane") for way in CREATIONS],
        ("create", {REQUESTED: "the-cfo"}, False, "can only name you, jane"),
        ("create", {APPROVED: "the-ceo"}, False, "can only name you, jane, who let the request go"),
        ("create", {APPROVED: "jane"}, True, "can only be set by the write that lets the request go"),
        ("create", {REQUESTED: ""}, True, "can only name you, jane"),
        ("create", {REQUESTED: "Jane"}, True, "can only name you, jane"),
        ("create", {}, True, None),
        ("create", {REQUESTED: "jane"}, True, None),
        ("create", {REQUESTED: "jane", APPROVED: "jane"}, False, None),
    ],
)
def test_where_nothing_fills_it_in_no_name_but_ones_own_is_taken(
    refusing: Cluster, way: str, notes: Json, suspend: bool, words: str | None
) -> None:
    name = refusing.name()

    said = refusing.run(*CREATIONS[way], user="jane", body=request(name, suspend=suspend, notes=notes))

    assert (said is None) if words is None else (words in (said or "")), said
    if words is None:
        assert refusing.names(name) == notes


# Changes


def replaced(cluster: Cluster, name: str, user: str, notes: Json) -> str | None:
    body = cluster.read(name)
    body["metadata"]["annotations"] = notes
    return cluster.run("replace", "-f", "-", user=user, body=body)


CHANGES: dict[str, Callable[[Cluster, str, str], str | None]] = {
    "merge-patch": lambda on, name, user: on.patch(name, {"metadata": {"annotations": FORGED}}, user),
    "merge-patch-removes": lambda on, name, user: on.patch(
        name, {"metadata": {"annotations": {REQUESTED: None, APPROVED: "the-ceo"}}}, user
    ),
    "merge-patch-removes-all": lambda on, name, user: on.patch(
        name, {"metadata": {"annotations": None}}, user
    ),
    "json-patch": lambda on, name, user: on.run(
        "patch",
        "nsdel",
        name,
        "--type=json",
        "-p",
        json.dumps([{"op": "replace", "path": "/metadata/annotations", "value": FORGED}]),
        user=user,
    ),
    "annotate": lambda on, name, user: on.run(
        "annotate", "--overwrite", "nsdel", name, f"{REQUESTED}=the-cfo", user=user
    ),
    "annotate-removes": lambda on, name, user: on.run("annotate", "nsdel", name, f"{REQUESTED}-", user=user),
    "replace": lambda on, name, user: replaced(on, name, user, FORGED),
    "replace-removes": lambda on, name, user: replaced(on, name, user, {}),
    "apply": lambda on, name, user: on.run("apply", "-f", "-", user=user, body=request(name, notes=FORGED)),
    "apply-server-side": lambda on, name, user: on.run(
        "apply", "--server-side", "--force-conflicts", "-f", "-", user=user, body=request(name, notes=FORGED)
    ),
    "resume-of-what-is-not-held": lambda on, name, user: on.patch(
        name, {"metadata": {"annotations": {APPROVED: user}}, "spec": {"backoffLimit": 5}}, user
    ),
    "copy-typed-later": lambda on, name, user: on.patch(
        name, {"metadata": {"annotations": {COPY: "x"}}}, user
    ),
}


@pytest.mark.parametrize("user", ["jane", "bob", "admin"])
@pytest.mark.parametrize("way", CHANGES)
def test_afterwards_nobody_changes_adds_or_removes_a_name(stamping: Cluster, way: str, user: str) -> None:
    name = stamping.ask("jane")

    said = CHANGES[way](stamping, name, user)

    assert said is None, said
    assert stamping.names(name) == {REQUESTED: "jane"}


@pytest.mark.parametrize("way", CHANGES)
def test_where_nothing_fills_it_in_a_change_of_a_name_is_refused(refusing: Cluster, way: str) -> None:
    name = refusing.ask("jane", notes={REQUESTED: "jane"})

    said = CHANGES[way](refusing, name, "bob")

    assert "moorcheh.ai/" in (said or ""), said
    assert refusing.names(name) == {REQUESTED: "jane"}


def test_what_changes_no_name_is_left_alone(refusing: Cluster) -> None:
    name = refusing.ask("jane", notes={REQUESTED: "jane", "team": "a"})

    assert (
        refusing.patch(name, {"metadata": {"labels": {"seen": "yes"}, "annotations": {"team": "b"}}}, "bob")
        is None
    )
    assert refusing.patch(name, {"spec": {"backoffLimit": 5}}, "bob") is None
    assert refusing.patch(name, {"metadata": {"finalizers": ["example.com/kept"]}}, "bob") is None
    assert refusing.run("delete", "nsdel", name, "--wait=false", user="jane") is None
    assert refusing.patch(name, {"metadata": {"finalizers": None}}, "bob") is None
    assert until(lambda: refusing.run("get", "nsdel", name) is not None)


# Approval

RESUME = {"spec": {"suspend": False}}


def test_who_resumes_a_request_is_who_approved_it(stamping: Cluster) -> None:
    name = stamping.ask("jane")

    assert stamping.patch(name, {**RESUME, "metadata": {"annotations": FORGED}}, "bob") is None

    assert stamping.names(name) == {REQUESTED: "jane", APPROVED: "bob"}


def test_a_further_approval_is_a_further_person_s_and_being_held_again_forgets_none(
    stamping: Cluster,
) -> None:
    name = stamping.ask("jane", suspend=False)

    stamping.patch(name, {"spec": {"suspend": True}}, "bob")
    held = stamping.names(name)
    stamping.patch(name, RESUME, "bob")

    assert held[APPROVED] == "jane"
    assert stamping.names(name)[APPROVED] == "bob"


def test_after_the_end_nothing_is_approved_any_more(stamping: Cluster) -> None:
    """Git may say suspend for ever: after the end it has no effect, and changes nothing of the receipt."""
    name = stamping.ask("jane", suspend=False)
    stamping.records(name, "Succeeded")

    assert stamping.patch(name, {"spec": {"suspend": True}}, FLUX) is None
    assert stamping.patch(name, RESUME, "bob") is None

    assert stamping.names(name) == {REQUESTED: "jane", APPROVED: "jane"}


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({APPROVED: "the-ceo"}, "can only name you, bob, who let the request go"),
        ({APPROVED: "jane"}, "can only name you, bob, who let the request go"),
        ({APPROVED: "bob", REQUESTED: "bob"}, "cannot be added, changed or removed"),
        ({APPROVED: "bob"}, None),
        ({}, None),
    ],
)
def test_where_nothing_fills_it_in_nobody_approves_under_another_s_name(
    refusing: Cluster, notes: Json, words: str | None
) -> None:
    name = refusing.ask("jane", notes={REQUESTED: "jane"})

    said = refusing.patch(name, {**RESUME, "metadata": {"annotations": notes}}, "bob")

    assert (said is None) if words is None else (words in (said or "")), said
    assert refusing.names(name) == {REQUESTED: "jane"} | (notes if words is None else {})


def test_an_older_approval_does_not_pass_for_the_next_one(refusing: Cluster) -> None:
    name = refusing.ask("jane", suspend=False, notes={APPROVED: "jane"})
    refusing.patch(name, {"spec": {"suspend": True}}, "bob")

    said = refusing.patch(name, RESUME, "bob")

    assert "can only name you, bob" in (said or "")
    assert refusing.patch(name, {**RESUME, "metadata": {"annotations": {APPROVED: "bob"}}}, "bob") is None


@pytest.mark.parametrize(
    ("user", "options"),
    [
        pytest.param(
            FLUX, ("--server-side", "--force-conflicts", "--field-manager=kustomize-controller"), id="flux"
        ),
        pytest.param(ARGO, ("--field-manager=argocd-controller",), id="argocd"),
        pytest.param(
            ARGO,
            ("--server-side", "--force-conflicts", "--field-manager=argocd-controller"),
            id="argocd-by-server",
        ),
    ],
)
def test_a_gitops_tool_is_who_asks_and_approves_and_applies_the_same_for_ever(
    stamping: Cluster, user: str, options: tuple[str, ...]
) -> None:
    name = stamping.name()

    def applies(*, suspend: bool, notes: Json | None = None) -> Json:
        body = request(name, suspend=suspend, notes=notes)
        said = stamping.run("apply", *options, "-f", "-", user=user, body=body)
        assert said is None, said
        return stamping.read(name)

    applies(suspend=True)
    first = applies(suspend=True)
    again = applies(suspend=True)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"], "nothing to change"
    assert stamping.names(name) == {REQUESTED: user}

    stamping.patch(name, RESUME, "bob")
    assert stamping.names(name) == {REQUESTED: user, APPROVED: "bob"}
    applies(suspend=True)
    applies(suspend=False, notes=FORGED)
    assert stamping.names(name) == {REQUESTED: user, APPROVED: user}


def test_who_acts_as_somebody_else_is_that_one(stamping: Cluster) -> None:
    """Impersonation is a right of its own, and the audit log knows both."""
    name = stamping.name()

    assert stamping.run("create", "--as=bob", "-f", "-", body=request(name)) is None

    assert stamping.names(name) == {REQUESTED: "bob"}


# Copies


def kept(cluster: Cluster, *options: str) -> Json:
    name = cluster.ask("jane", suspend=False)
    cluster.records(name, "Succeeded")
    text = cluster.plane.kubectl("get", "nsdel", name, "-n", SPACE, "-o", "json", *options)
    assert cluster.run("delete", "nsdel", name) is None
    found: Json = json.loads(text)
    return found


def without(body: Json, *fields: str) -> Json:
    metadata = {key: value for key, value in body["metadata"].items() if key not in fields}
    return {key: value for key, value in body.items() if key not in fields} | {"metadata": metadata}


MARKS = ("status", "generation", "uid", "resourceVersion", "creationTimestamp")


@pytest.mark.parametrize("options", [(), ("--show-managed-fields",)], ids=["as-shown", "with-managed-fields"])
@pytest.mark.parametrize(
    "dropped", [(), ("uid", "resourceVersion"), ("status",), ("uid", "generation")], ids="-".join
)
@pytest.mark.parametrize("way", CREATIONS)
def test_what_is_made_of_a_kept_receipt_is_marked_as_a_copy_or_refused(
    stamping: Cluster, way: str, dropped: tuple[str, ...], options: tuple[str, ...]
) -> None:
    body = without(kept(stamping, *options), *dropped)

    said = stamping.run(*CREATIONS[way], user="bob", body=body)

    if said is None:
        assert stamping.names(body["metadata"]["name"])[COPY] == "unknown"
    else:
        assert way == "apply-server-side"
        assert "uid mismatch" in said or "managedFields must be nil" in said


def test_a_list_of_kept_receipts_is_marked_too(stamping: Cluster) -> None:
    bodies = [kept(stamping), kept(stamping)]

    said = stamping.run("apply", "-f", "-", body={"apiVersion": "v1", "kind": "List", "items": bodies})

    assert said is None, said
    assert all(stamping.names(body["metadata"]["name"])[COPY] for body in bodies)


@pytest.mark.parametrize("way", CREATIONS)
def test_what_is_written_anew_is_no_copy(stamping: Cluster, way: str) -> None:
    """Also with the fields that programs send empty."""
    name = stamping.name()
    body = request(name)
    empty: Json = {"creationTimestamp": None, "labels": None}
    status = {"phase": "", "conditions": None, "observedGeneration": 0}

    said = stamping.run(*CREATIONS[way], body=body | {"metadata": body["metadata"] | empty, "status": status})

    assert said is None, said
    assert COPY not in stamping.names(name)


def test_the_mark_of_a_copy_stays(stamping: Cluster) -> None:
    body = kept(stamping)
    name = body["metadata"]["name"]
    assert stamping.run("create", "-f", "-", user="bob", body=body) is None

    for change in ({COPY: None}, {COPY: "none"}):
        stamping.patch(name, {"metadata": {"annotations": change}}, "bob")

    assert stamping.names(name)[COPY] == "unknown"


# What else writes, and what may go wrong


def test_neither_a_recorded_end_nor_a_deletion_asks_for_a_name(stamping: Cluster) -> None:
    name = stamping.ask("jane")

    stamping.records(name, "Failed")
    before = stamping.names(name)
    said = stamping.run("delete", "nsdel", name, "--cascade=foreground", "--wait=false", user="bob")

    assert before == {REQUESTED: "jane"}
    assert said is None, said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("text", "spec in body must be of type object"),
        (None, "spec: Required value"),
        ({"namespaceName": "docs", "suspend": "yes"}, "spec.suspend in body must be of type boolean"),
        ({"namespaceName": "a/b"}, "spec.namespaceName in body should match"),
    ],
    ids=["text", "nothing", "mistyped", "bad-name"],
)
def test_a_malformed_request_is_refused_in_the_schema_s_own_words(
    stamping: Cluster, refusing: Cluster, spec: object, words: str
) -> None:
    for cluster in (stamping, refusing):
        body = request(cluster.name()) | {"spec": spec}

        said = cluster.run("create", "--validate=false", "-f", "-", user="jane", body=body)

        assert words in (said or "")
        assert "moorcheh-identity" not in (said or "")


def test_a_broken_policy_lets_no_name_pass_and_keeps_no_end_and_no_deletion_from_being_written() -> None:
    with ControlPlane(users=PEOPLE) as plane:
        install(plane)
        cluster = Cluster(plane)
        assert until(lambda: in_force(cluster, stamped=True))
        name = cluster.ask("jane")
        broken = [{"op": "replace", "path": "/spec/variables/0/expression", "value": "string(1 / 0)"}]
        plane.kubectl(
            "patch", "mutatingadmissionpolicy", "moorcheh-identity", "--type=json", "-p", json.dumps(broken)
        )
        assert until(lambda: cluster.run("create", "-f", "-", body=request(cluster.name())) is not None)

        said = cluster.run("create", "-f", "-", user="jane", body=request(cluster.name(), notes=FORGED))

        assert "moorcheh-identity" in (said or "")
        cluster.records(name, "Failed")
        assert cluster.run("delete", "nsdel", name, user="jane") is None

        plane.kubectl("delete", "mutatingadmissionpolicybinding", "moorcheh-identity")
        assert until(lambda: in_force(cluster, stamped=False)), "the other policy still refuses"


def test_anybody_may_see_what_vouches_and_no_other_policy(stamping: Cluster) -> None:
    for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        assert stamping.run("get", kind, "moorcheh-identity", user="jane") is None
        assert "forbidden" in (stamping.run("get", kind, user="jane") or "")
        assert "forbidden" in (stamping.run("delete", kind, "moorcheh-identity", user="jane") or "")


# Older Kubernetes


def test_as_a_beta_it_fills_the_names_in_too() -> None:
    beta = "--runtime-config=admissionregistration.k8s.io/v1beta1=true"
    with ControlPlane(users=PEOPLE, apiserver_flags=[beta]) as plane:
        install(plane, api=OLDER / "kubernetes-1.34")
        cluster = Cluster(plane)

        assert until(lambda: in_force(cluster, stamped=True))


MUTATING = "MutatingAdmissionPolicy"
LIKE_1_31 = (
    f"--disable-admission-plugins={MUTATING}",
    "--runtime-config="
    + ",".join(
        f"admissionregistration.k8s.io/v1/mutatingadmissionpolic{end}=false" for end in ("ies", "ybindings")
    ),
)
"""An API server that knows as much of mutating policies as Kubernetes 1.31."""


def test_where_there_is_no_mutating_policy_the_base_says_so_and_the_rest_of_it_holds() -> None:
    """As docs/install.md tells, with its way out."""
    with ControlPlane(users=PEOPLE, apiserver_flags=LIKE_1_31) as plane:
        with pytest.raises(KubectlError, match=f'no matches for kind "{MUTATING}"'):
            install(plane)

        install(plane, api=OLDER / "kubernetes-1.31")  # takes all of it, without an error
        cluster = Cluster(plane)
        assert until(lambda: in_force(cluster, stamped=False))


def test_where_the_mutating_policy_is_there_but_switched_off_the_other_still_refuses() -> None:
    off = "--feature-gates=MutatingAdmissionPolicy=false"
    with ControlPlane(users=PEOPLE, apiserver_flags=[off]) as plane:
        install(plane)
        cluster = Cluster(plane)

        assert until(lambda: in_force(cluster, stamped=False))
