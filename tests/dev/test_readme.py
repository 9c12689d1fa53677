"""What README.md and the pages of docs/ say that a machine can check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from moorcheh_operator.api.status import Reason
from tests.integration.conftest import install

if TYPE_CHECKING:
    from dev.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
YAML_BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file or folder of the repository, and a heading of it that exists."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_install_overlay_renders(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The kustomization of the README sets image and address, and leaves the rest of the Deployment."""
    (tmp_path / "kustomization.yaml").write_text(YAML_BLOCKS[1])
    (tmp_path / "moorcheh-operator").symlink_to(ROOT)

    objects = yaml.safe_load_all(control_plane.kubectl("kustomize", tmp_path))

    [deployment] = [one for one in objects if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert container["image"] == "registry.example/moorcheh-operator:0.1.0"
    assert environment["MOORCHEH_BASE_URL"] == "http://moorcheh.my-namespace.svc:8080"
    assert "LOG_FORMAT" in environment


def test_first_request_is_accepted(control_plane: ControlPlane) -> None:
    """The ten lines at the top are a valid request."""
    install(control_plane)

    said = control_plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", input=YAML_BLOCKS[0]
    )

    assert "wipe-my-documents created" in said


def test_troubleshooting_has_every_reason_once() -> None:
    """What a person sees in the REASON column can be looked up."""
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)

    assert sorted(reason.value for reason in Reason) == sorted(rows)
