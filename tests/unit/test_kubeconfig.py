"""Outside a cluster the operator serves the cluster and the user that kubectl means, or says why it can't."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from moorcheh_operator.clock import Clock
from moorcheh_operator.cluster import kubeconfig
from moorcheh_operator.cluster.kubeconfig import KubeconfigError

if TYPE_CHECKING:
    from dev.controlplane import Assets
    from moorcheh_operator.cluster.api_server import ApiServer

SECRET = "s3cret-t0ken"


def a_file(path: Path, name: str, *, current: bool = True, **user: Any) -> Path:
    """Everything in it is called `name`."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}.example"}}],
        "users": [{"name": name, "user": {"token": f"{SECRET}-{name}", **user}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        **({"current-context": name} if current else {}),
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    a_file(tmp_path / "a", "a")
    a_file(tmp_path / "b", "b")
    a_file(tmp_path / "without", "without", current=False)
    (tmp_path / "empty").write_text("")
    both = yaml.safe_load((tmp_path / "b").read_text())
    both["clusters"].append({"name": "a", "cluster": {"server": "http://not-this.example"}})
    both["users"].append({"name": "a", "user": {"token": "not-this"}})
    (tmp_path / "overlapping").write_text(yaml.safe_dump(both))
    return tmp_path


FILES = {
    "one": "a",
    "two": "a:b",
    "two the other way round": "b:a",
    "one name in both": "a:overlapping",
    "an empty one first": "empty:b",
    "a missing one first": "none:b",
    "one without a context first": "without:b",
    "an empty entry": ":b:",
}


@pytest.mark.parametrize("names", FILES.values(), ids=FILES)
async def test_the_cluster_and_the_user_are_kubectl_s(
    names: str, folder: Path, assets: Assets, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ":".join(str(folder / name) if name else "" for name in names.split(":"))
    monkeypatch.setenv("KUBECONFIG", paths)
    said = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        [assets.kubectl, "config", "view", "--minify", "--raw", "-o", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": paths},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    view = json.loads(said)

    found = await kubeconfig.load(Clock())

    assert found.url == view["clusters"][0]["cluster"]["server"]
    assert await authorization(found) == f"Bearer {view['users'][0]['user']['token']}"


async def test_a_token_file_beside_its_kubeconfig_is_read_at_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_file(tmp_path / "a", "a", token=None, tokenFile="token")
    (tmp_path / "token").write_text(f"{SECRET}-1\n\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "a"))
    found = await kubeconfig.load(Clock())
    assert await authorization(found) == f"Bearer {SECRET}-1"

    (tmp_path / "token").write_text(f"{SECRET}-2")
    assert await authorization(found) == f"Bearer {SECRET}-2"


async def authorization(found: ApiServer) -> str | None:
    return (await found.credentials.current()).authorization


def users(**fields: Any) -> str:
    user = {"token": SECRET, **fields}
    return yaml.safe_dump(
        {
            "clusters": [{"name": "a", "cluster": {"server": "http://a.example"}}],
            "users": [{"name": "a", "user": user}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "current-context": "a",
        }
    )


REFUSED = {
    "impersonation": (users(**{"as": "nobody"}), "has as (impersonation)"),
    "impersonation of groups": (users(**{"as-groups": ["g"]}), "has as-groups"),
    "impersonation of a uid": (users(**{"as-uid": "1"}), "has as-uid"),
    "impersonation with more": (users(**{"as-user-extra": {"a": ["b"]}}), "has as-user-extra"),
    "a password": (users(username="me", password=SECRET), "has username"),
    "a provider of the past": (users(**{"auth-provider": {"name": "gcp"}}), "has auth-provider"),
    "a plugin that fails": (users(token=None, exec={
        "apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never",
    }), "gave no credentials"),
    "a plugin that is not there": (users(token=None, exec={
        "apiVersion": "client.authentication.k8s.io/v1", "command": "/none/such", "interactiveMode": "Never",
    }), "gave no credentials"),
    "no context": (users().replace("current-context: a", ""), "has no current-context"),
    "a context that is not there": (users().replace("current-context: a", "current-context: x"), '"x"'),
    "a cluster that is not there": (users().replace("cluster: a", "cluster: x"), 'no cluster "x"'),
    "a user that is not there": (users().replace("user: a", "user: x"), 'no user "x"'),
    "garbage": (f"{{token: {SECRET}", "can't be read as YAML"),
    "a list": (f"[{SECRET}]", "it is no mapping"),
    "a text": (SECRET, "it is no mapping"),
    "entries that are none": (f"clusters: [{SECRET}]", "has an entry that is no cluster"),
    "nothing": ("", "has no current-context"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
async def test_what_can_t_be_honoured_is_refused_by_name_and_without_a_secret(
    content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))

    with pytest.raises(KubeconfigError) as refused:
        await kubeconfig.load(Clock())

    assert words in str(refused.value)
    assert SECRET not in str(refused.value)
    assert str(refused.value).isprintable()
