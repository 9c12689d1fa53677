"""The chart grants and runs what the manifests do, for the same wishes; what means nothing is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from dev import release
from dev.helm import Helm, HelmError
from moorcheh_operator.process import cli
from moorcheh_operator.servers import definitions
from tests.helm.conftest import CHART

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

Json = dict[str, Any]
Values = dict[str, Any]

ROOT = Path(__file__).parents[2]
SYSTEM = "moorcheh-system"
KUBERNETES = {
    "1.36": ("--api-versions=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",),
    "1.34": ("--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy",),
    "1.31": (),
}
HELMS_OWN = {
    "app.kubernetes.io/instance": "moorcheh-operator",
    "app.kubernetes.io/managed-by": "Helm",
}


def documents(text: str) -> list[Json]:
    return [each for each in yaml.safe_load_all(text) if each]


def rendered(helm: Helm, folder: Path, values: Values, *arguments: str, chart: Path = CHART) -> list[Json]:
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    options = ["-n", SYSTEM, "-f", str(file), *arguments]
    return documents(helm("template", "moorcheh-operator", chart, *options))


def kustomized(
    control_plane: ControlPlane, folder: Path, *resources: str, components: list[str]
) -> list[Json]:
    """The same, of our manifests: `resources` and `components` are folders of the repository."""
    (folder / "repository").symlink_to(ROOT)
    text = {
        "resources": [f"repository/{each}" for each in resources],
        "components": [f"repository/manifests/{each}" for each in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return documents(control_plane.kubectl("kustomize", folder))


def comparable(objects: list[Json]) -> dict[str, Json]:
    """Without Helm's marks and the words about both."""
    found = {}
    for each in objects:
        metadata = each["metadata"]
        labels = metadata.get("labels", {})
        for mark in (*HELMS_OWN, "helm.sh/chart"):
            labels.pop(mark, None)
        labels["app.kubernetes.io/part-of"] = "moorcheh-operator"
        annotations = metadata.pop("annotations", {})
        for words in ("helm.sh/resource-policy", "moorcheh.ai/two-namespaces"):
            annotations.pop(words, None)
        if annotations:
            metadata["annotations"] = annotations
        if each["kind"] == "Deployment":  # kustomize puts first what it changes
            for container in each["spec"]["template"]["spec"]["containers"]:
                container["env"].sort(key=lambda variable: str(variable["name"]))
        if each["kind"].startswith(("Cluster", "Validating", "Mutating", "Custom")):
            metadata.pop("namespace", None)  # kustomize takes kinds that it has not heard of for namespaced
        if each["kind"] == "ConfigMap":  # two tools write the text
            each["data"] = {key: yaml.safe_load(text) for key, text in each["data"].items()}
        name = f"{each['kind']} {metadata.get('namespace', '-')}/{metadata['name']}"
        assert name not in found
        found[name] = on_one_line(each)
    return found


def on_one_line(value: Any) -> Any:
    """kustomize adds an empty line to some folded texts."""
    match value:
        case dict():
            return {key: on_one_line(each) for key, each in value.items()}
        case list():
            return [on_one_line(each) for each in value]
        case str():
            return " ".join(value.split())
        case _:
            return value


SERVERS = [
    {
        "name": "default",
        "url": "http://moorcheh.moorcheh.svc:8080",
        "allowedNamespaces": {"from": "All"},
        "protectedNames": ["prod-*"],
    }
]
SELECTING: Json = {
    "name": "archive",
    "url": "http://archive:8080",
    "allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": {"archive": "true"}}},
}

SAME: dict[str, tuple[Values, str, list[str]]] = {
    "default": ({}, "base", []),
    "high-availability": ({"replicas": 2}, "overlays/high-availability", []),
    "single-namespace": ({"watchNamespaces": [SYSTEM]}, "overlays/single-namespace", []),
    "watched-namespace": ({"watchNamespaces": ["default"]}, "overlays/watched-namespace", []),
    "ttl": ({"ttl": {"enabled": True}}, "base", ["components/ttl"]),
    "ttl-in-a-single-namespace": (
        {"ttl": {"enabled": True}, "watchNamespaces": [SYSTEM]},
        "overlays/single-namespace",
        ["components/ttl-single-namespace"],
    ),
    "cleanup-policies": ({"cleanupPolicies": {"enabled": True}}, "base", ["components/cleanup-policies"]),
    "cleanup-policies-in-a-single-namespace": (
        {"cleanupPolicies": {"enabled": True}, "watchNamespaces": [SYSTEM]},
        "overlays/single-namespace",
        ["components/cleanup-policies-single-namespace"],
    ),
    "servers": ({"servers": SERVERS}, "base", ["components/servers"]),
    "rights-by-target": ({"rightsByTarget": {"enabled": True}}, "base", ["components/rights-by-target"]),
    "monitoring": (
        {"monitoring": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}}},
        "base",
        ["monitoring"],
    ),
    "all-at-once": (
        {
            "replicas": 2,
            "servers": SERVERS,
            "ttl": {"enabled": True},
            "cleanupPolicies": {"enabled": True},
            "rightsByTarget": {"enabled": True},
        },
        "overlays/high-availability",
        [f"components/{each}" for each in ("servers", "ttl", "cleanup-policies", "rights-by-target")],
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_the_chart_makes_what_the_manifests_make(
    helm: Helm, control_plane: ControlPlane, tmp_path: Path, case: str
) -> None:
    values, base, components = SAME[case]

    chart = comparable(rendered(helm, tmp_path, values | {"api": {"create": False}}))
    objects = kustomized(control_plane, tmp_path, f"manifests/{base}", components=components)

    # Two names differ: a release's own ConfigMap, and the Role in a watched namespace.
    text = json.dumps(objects).replace('"moorcheh-servers"', '"moorcheh-operator-servers"')
    manifests = comparable(json.loads(text))
    if base == "overlays/watched-namespace":
        manifests = comparable(json.loads(_renamed(objects, "default", "moorcheh-operator-requests")))
    assert chart.keys() == manifests.keys()
    for name, each in manifests.items():
        assert chart[name] == each, name


def _renamed(objects: list[Json], namespace: str, name: str) -> str:
    for each in objects:
        if each["metadata"].get("namespace") == namespace and each["kind"] in ("Role", "RoleBinding"):
            each["metadata"]["name"] = name
            if "roleRef" in each:
                each["roleRef"]["name"] = name
    return json.dumps(objects)


@pytest.mark.parametrize(
    ("version", "folder"),
    [("1.36", "crds"), ("1.34", "manifests/kubernetes-1.34"), ("1.31", "manifests/kubernetes-1.31")],
)
def test_the_api_is_that_of_the_manifests_on_each_kubernetes(
    helm: Helm, control_plane: ControlPlane, tmp_path: Path, version: str, folder: str
) -> None:
    """Which policies there are says the cluster; offline, whoever renders says it."""
    options = ("--include-crds", f"--kube-version={version}", *KUBERNETES[version])
    operator = rendered(helm, tmp_path, {"api": {"create": False}})

    both = comparable(rendered(helm, tmp_path, {}, *options))

    api = {name: each for name, each in both.items() if name not in comparable(operator)}
    assert api == comparable(kustomized(control_plane, tmp_path, folder, components=[]))


def test_the_api_stays_when_the_release_goes(helm: Helm, tmp_path: Path) -> None:
    operator = comparable(rendered(helm, tmp_path, {"api": {"create": False}}))

    for each in rendered(helm, tmp_path, {}, "--include-crds"):
        keep = each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
        [name] = comparable([each])
        assert keep is (name not in operator), name


def test_the_right_to_read_labels_comes_with_the_servers_that_need_it(
    helm: Helm, control_plane: ControlPlane, tmp_path: Path
) -> None:
    component = kustomized(
        control_plane, tmp_path, "manifests/base", components=["components/servers-selector"]
    )
    expected = {name: each for name, each in comparable(component).items() if "namespace-labels" in name}

    without = comparable(rendered(helm, tmp_path, {"servers": SERVERS}))
    having = comparable(rendered(helm, tmp_path, {"servers": [*SERVERS, SELECTING]}))

    assert len(expected) == 2
    assert {name: each for name, each in having.items() if "namespace-labels" in name} == expected
    assert not [name for name in without if "namespace-labels" in name]


def the(objects: list[Json], kind: str) -> Json:
    [found] = [each for each in objects if each["kind"] == kind]
    return found


def pod(objects: list[Json]) -> Json:
    spec: Json = the(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        pytest.param({}, [8080], id="default"),
        pytest.param({"baseUrl": "https://moorcheh.example.com"}, [443], id="https"),
        pytest.param({"baseUrl": "http://moorcheh/v1"}, [80], id="http"),
        pytest.param({"baseUrl": "http://[fd00::1]:9000"}, [9000], id="ipv6"),
        pytest.param({"servers": [*SERVERS, SELECTING]}, [8080], id="each-once"),
        pytest.param(
            {"baseUrl": "http://moorcheh:80", "networkPolicy": {"moorchehPorts": [8080]}},
            [8080, 80],
            id="of-the-pods-behind-it",
        ),
    ],
)
def test_the_network_policy_lets_out_to_the_servers_ports(
    helm: Helm, tmp_path: Path, values: Values, ports: list[int]
) -> None:
    policy = the(rendered(helm, tmp_path, values), "NetworkPolicy")

    assert [each["port"] for each in policy["spec"]["egress"][-1]["ports"]] == ports


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        pytest.param({"timeoutSeconds": 0.5}, 60, id="short"),
        pytest.param({"timeoutSeconds": 100.5}, 131, id="long"),
        pytest.param({"servers": [SERVERS[0] | {"timeoutSeconds": 300}]}, 330, id="of-one-server"),
    ],
)
def test_a_stopping_pod_has_time_to_record_what_it_began(
    helm: Helm, tmp_path: Path, values: Values, seconds: int
) -> None:
    assert pod(rendered(helm, tmp_path, values))["terminationGracePeriodSeconds"] == seconds


EVERYTHING: Values = {
    "image": {
        "repository": "registry.example.com/moorcheh-operator",
        "digest": "sha256:" + "0" * 64,
        "pullPolicy": "Always",
        "pullSecrets": ["pull"],
    },
    "replicas": 3,
    "servers": [*SERVERS, SELECTING],
    "secretMounts": [{"name": "archive", "secretName": "moorcheh-archive"}],
    "timeoutSeconds": 20,
    "verifySeconds": 86400,
    "maxRunningJobs": 100000,
    "logFormat": "text",
    "watchNamespaces": ["team-a", "team-b"],
    "ttl": {"enabled": True},
    "cleanupPolicies": {"enabled": True},
    "rightsByTarget": {"enabled": True},
    "serviceAccount": {"name": "deleter", "annotations": {"a": "b"}},
    "networkPolicy": {"apiServerPorts": [16443]},
    "resources": {"limits": {"memory": "1Gi"}},
    "runAsUser": None,
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"pool": "ops"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "commonLabels": {"team": "ops"},
    "commonAnnotations": {"contact": "ops@example.com"},
    "podLabels": {"mesh": "off"},
    "podAnnotations": {"mesh.example.com/inject": "false"},
    "monitoring": {
        "podMonitor": {"enabled": True, "interval": "10s", "labels": {"release": "prometheus"}},
        "rules": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
}


def test_each_value_counts(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(helm, tmp_path, EVERYTHING)
    spec = pod(objects)
    [container] = spec["containers"]
    environment = {each["name"]: each.get("value") for each in container["env"]}

    assert container["image"] == f"registry.example.com/moorcheh-operator@sha256:{'0' * 64}"
    assert container["imagePullPolicy"] == "Always"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert the(objects, "Deployment")["spec"]["replicas"] == 3
    assert [each["mountPath"] for each in container["volumeMounts"]] == [
        "/etc/moorcheh/servers",
        "/etc/moorcheh/archive",
    ]
    assert spec["volumes"][1]["secret"] == {"secretName": "moorcheh-archive"}
    assert environment["MOORCHEH_TIMEOUT_SECONDS"] == "20"
    assert environment["MOORCHEH_VERIFY_SECONDS"] == "86400"
    assert environment["MOORCHEH_MAX_RUNNING_JOBS"] == "100000"
    assert environment["LOG_FORMAT"] == "text"
    assert environment["WATCH_NAMESPACES"] == "team-a,team-b"
    assert {
        (each["metadata"]["name"], each["metadata"]["namespace"])
        for each in objects
        if each["kind"] == "Role"
    } == {
        ("moorcheh-operator-leader-election", SYSTEM),
        *(
            (f"moorcheh-operator-{right}", team)
            for right in ("requests", "ttl", "cleanup-policies")
            for team in ("team-a", "team-b")
        ),
    }
    subjects = [subject for each in objects for subject in each.get("subjects", ())]
    assert {each["name"] for each in subjects} == {"deleter", "system:authenticated"}
    assert spec["serviceAccountName"] == "deleter"
    assert the(objects, "ServiceAccount")["metadata"]["annotations"] == {
        "a": "b",
        "contact": "ops@example.com",
    }
    assert the(objects, "NetworkPolicy")["spec"]["egress"][1]["ports"] == [{"port": 16443, "protocol": "TCP"}]
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert "runAsUser" not in spec["securityContext"]
    assert spec["priorityClassName"] == "system-cluster-critical"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "ops"}
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["affinity"] == {"nodeAffinity": {}}
    assert all(each["metadata"]["labels"]["team"] == "ops" for each in objects)
    assert all(each["metadata"]["annotations"]["contact"] == "ops@example.com" for each in objects)
    template = the(objects, "Deployment")["spec"]["template"]["metadata"]
    assert template["labels"] == {
        "app.kubernetes.io/name": "moorcheh-operator",
        "mesh": "off",
        "team": "ops",
    }
    assert template["annotations"]["mesh.example.com/inject"] == "false"
    assert the(objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["interval"] == "10s"
    for kind in ("PodMonitor", "PrometheusRule"):
        assert the(objects, kind)["metadata"]["labels"]["release"] == "prometheus"
    [dashboard] = [
        each
        for each in objects
        if each["kind"] == "ConfigMap" and each["metadata"]["labels"].get("grafana_dashboard")
    ]
    assert (
        dashboard["data"]["moorcheh-operator.json"]
        == (ROOT / "manifests" / "monitoring" / "dashboard.json").read_text()
    )
    parsed = definitions.parse(
        next(each["data"]["servers.yaml"] for each in objects if "servers.yaml" in each.get("data", {}))
    )
    assert [each.name for each in parsed.definitions] == ["default", "archive"]


def test_labels_of_ones_own_do_not_hide_the_pods(helm: Helm, tmp_path: Path) -> None:
    values = {
        "podLabels": {"app.kubernetes.io/name": "mine"},
        "commonLabels": {"app.kubernetes.io/name": "mine"},
    }

    deployment = the(rendered(helm, tmp_path, values), "Deployment")

    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


def test_whose_requests_it_leaves_alone_comes_into_the_servers_file(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(helm, tmp_path, {"servers": SERVERS, "servedElsewhere": ["logs", "tmp-*"]})

    [file] = [each["data"]["servers.yaml"] for each in objects if "servers.yaml" in each.get("data", {})]
    assert definitions.parse(file).served_elsewhere == ("logs", "tmp-*")


def test_a_release_of_another_name_has_names_of_its_own(helm: Helm) -> None:
    mine = documents(helm("template", "canary", CHART, "-n", "canary", "--set=api.create=false"))

    assert {each["metadata"]["name"].startswith("canary-moorcheh-operator") for each in mine} == {True}
    assert {each["metadata"].get("namespace", "canary") for each in mine} == {"canary"}


# Values that mean nothing


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"replica": 2}, "'replica' not allowed", id="misspelled"),
        pytest.param({"ttl": {"enable": True}}, "'/ttl'.*'enable' not allowed", id="misspelled-below"),
        pytest.param({"image": {"Tag": "1"}}, "'/image'.*'Tag' not allowed", id="in-other-letters"),
        pytest.param(
            {"monitoring": {"rules": {"enabld": True}}}, "'/monitoring/rules'.*'enabld'", id="in-monitoring"
        ),
        pytest.param({"servedElsewhere": ["a"]}, "servedElsewhere: has no use", id="elsewhere-alone"),
        pytest.param(
            {"servers": SERVERS, "servedElsewhere": [SERVERS[0]["name"]]},
            r"servedElsewhere\[0\]: is the name of one",
            id="elsewhere-and-here",
        ),
        pytest.param({"networkPolicy": {"ports": [1]}}, "'/networkPolicy'.*'ports'", id="in-network-policy"),
        pytest.param(
            {"servers": [SERVERS[0] | {"protectedName": ["a"]}]},
            "'/servers/0'.*'protectedName' not allowed",
            id="in-a-server",
        ),
        pytest.param({"servers": [{"name": "a"}]}, "'/servers/0'.*missing property 'url'", id="no-url"),
        pytest.param(
            {"servers": [SERVERS[0] | {"allowedNamespaces": {"from": "Selector"}}]},
            "'/servers/0/allowedNamespaces'.*missing property 'selector'",
            id="no-selector",
        ),
        pytest.param({"servers": SERVERS, "baseUrl": "http://a"}, "set one of the two", id="both"),
        pytest.param({"baseUrl": "moorcheh:8080"}, "'/baseUrl'", id="no-scheme"),
        pytest.param(
            {"baseUrl": "http://u:secret@a"}, "baseUrl: must hold no user", id="a-password-in-a-url"
        ),
        pytest.param(
            {"servers": [SELECTING | {"url": "http://u:secret@a"}]},
            r"servers\[0\].url: must hold no user",
            id="a-password-in-a-servers-url",
        ),
        pytest.param(
            {"servers": [SELECTING | {"apiKeyFile": "/a", "bearerTokenFile": "/b"}]},
            r"servers\[0\].bearerTokenFile: can't be there together",
            id="two-keys",
        ),
        pytest.param(
            {"servers": [SELECTING | {"caFile": "/a"}]},
            r"servers\[0\].caFile: has no use",
            id="a-ca-without-https",
        ),
        pytest.param(
            {"servers": [SELECTING, SELECTING]},
            r"servers\[1\].name: archive is there twice",
            id="a-name-twice",
        ),
        pytest.param({"replicas": "2"}, "'/replicas'.*got string, want integer", id="text-for-a-number"),
        pytest.param({"timeoutSeconds": 301}, "'/timeoutSeconds'", id="out-of-bounds"),
        pytest.param({"ttl": {"enabled": "false"}}, "got string, want boolean", id="text-for-a-boolean"),
        pytest.param({"ttl": True}, "'/ttl'.*got boolean, want object", id="a-value-for-values"),
        pytest.param({"watchNamespaces": "team-a"}, "got string, want array", id="text-for-a-list"),
        pytest.param({"watchNamespaces": [""]}, "'/watchNamespaces/0'", id="a-namespace-of-no-name"),
        pytest.param(
            {"secretMounts": [{"name": "servers", "secretName": "a"}]}, "'/secretMounts/0/name'", id="taken"
        ),
        pytest.param({"image": {"digest": "sha256:1"}}, "'/image/digest'", id="half-a-digest"),
    ],
)
def test_a_value_that_means_nothing_is_refused_with_its_name(
    helm: Helm, tmp_path: Path, values: Values, words: str
) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(helm, tmp_path, values)

    assert re.search(words, str(refused.value)), str(refused.value)
    assert "secret@" not in str(refused.value)


def objects_of(schema: Json) -> list[Json]:
    found = [schema] if "properties" in schema else []
    below = [*schema.get("properties", {}).values(), schema.get("items")]
    return found + [each for one in below if isinstance(one, dict) for each in objects_of(one)]


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_schema_knows_every_value_and_no_other() -> None:
    free = {"global", "affinity", "nodeSelector", "resources", "labels"}

    def missing(schema: Json, values: Json) -> set[str]:
        found: set[str] = schema["properties"].keys() ^ values.keys()
        for name in schema["properties"].keys() & values.keys():
            if "properties" in schema["properties"][name] and name not in free:
                found |= missing(schema["properties"][name], values[name])
        return found - free

    assert missing(SCHEMA, yaml.safe_load((CHART / "values.yaml").read_text())) == set()
    assert all(each["additionalProperties"] is False for each in objects_of(SCHEMA) if each.get("type"))


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ((), definitions.Definition),
        (("allowedNamespaces",), definitions.Allowed),
        (("allowedNamespaces", "selector"), definitions.Selector),
    ],
    ids=["server", "allowedNamespaces", "selector"],
)
def test_the_schema_has_the_fields_of_the_servers_file(path: tuple[str, ...], part: type) -> None:
    schema = SCHEMA["properties"]["servers"]["items"]
    for name in path:
        schema = schema["properties"][name]

    assert schema["properties"].keys() == {field.encode_name for field in msgspec.structs.fields(part)}


def test_the_schemas_bounds_are_the_operators() -> None:
    options = {option.envvar: option for option in cli.run.params}
    for name, value in {
        "MOORCHEH_TIMEOUT_SECONDS": "timeoutSeconds",
        "MOORCHEH_VERIFY_SECONDS": "verifySeconds",
        "MOORCHEH_MAX_RUNNING_JOBS": "maxRunningJobs",
    }.items():
        bounds = SCHEMA["properties"][value]
        for taken in (bounds["minimum"], bounds["maximum"]):
            options[name].type.convert(str(taken), None, None)
        with pytest.raises(Exception, match="must be"):
            options[name].type.convert(str(bounds["maximum"] + 1), None, None)


# What Helm makes of the chart


def test_helm_finds_nothing_wrong_with_it(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_a_package_holds_the_files_that_are_links_here(helm: Helm, tmp_path: Path) -> None:
    helm("package", CHART, "-d", tmp_path)
    [package] = tmp_path.glob("*.tgz")

    assert rendered(helm, tmp_path, EVERYTHING, chart=package) == rendered(helm, tmp_path, EVERYTHING)
    shown = documents(helm("show", "crds", package))
    names = ("namespacecleanuppolicies", "namespacedeletions")
    assert shown == [yaml.safe_load((ROOT / "crds" / f"{name}.yaml").read_text()) for name in names]


def test_the_package_of_a_release_is_what_helm_makes(helm: Helm, tmp_path: Path) -> None:
    """A release is made without Helm, so that it is the same bytes each time."""
    package = tmp_path / "released.tgz"
    release.package(release.contents(CHART), package, 1764547200)

    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", package)
    options = ("--include-crds", *KUBERNETES["1.36"])
    assert rendered(helm, tmp_path, EVERYTHING, *options, chart=package) == rendered(
        helm, tmp_path, EVERYTHING, *options
    )
    assert helm("show", "readme", package) == helm("show", "readme", CHART)


def test_the_only_copies_are_links() -> None:
    """What the manifests have, too, but for the templates, which are compared above."""
    linked = {
        path.name: path.resolve() for folder in ("crds", "files") for path in (CHART / folder).iterdir()
    }

    assert len(linked) == 8
    assert all(path.is_relative_to(ROOT) and not path.is_relative_to(CHART) for path in linked.values())
