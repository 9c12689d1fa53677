"""krew's manifest: `kubectl krew install --manifest=moorcheh.yaml`."""

from __future__ import annotations

import yaml

ARCHITECTURES = ("amd64", "arm64")


def manifest(version: str, url: str, sha256: str, repository: str) -> str:
    """`url`: the archive's, which has this checksum. One archive for all: what is in it is Python."""
    platforms = [
        {
            "selector": {"matchLabels": {"os": system, "arch": architecture}},
            "uri": url,
            "sha256": sha256,
            "files": [{"from": name, "to": "."} for name in ("kubectl-moorcheh", "LICENSE")],
            "bin": "kubectl-moorcheh",
        }
        for system in ("linux", "darwin")
        for architecture in ARCHITECTURES
    ]
    body = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "moorcheh"},
        "spec": {
            "version": f"v{version}",
            "homepage": repository,
            "shortDescription": "Delete Moorcheh namespaces, with a preview",
            "description": (
                "See what deleting a Moorcheh namespace would remove, ask for it, follow it to its end.\n"
                "Works with moorcheh-operator, which must be installed in the cluster.\n"
            ),
            "caveats": "Needs Python 3.11 or newer as `python3`.\n",
            "platforms": platforms,
        },
    }
    return str(yaml.safe_dump(body, sort_keys=False))
