"""Bills of materials (CycloneDX): what is in the image beside Python, and what is in the plugin's file."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from pathlib import Path

_PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ;[^\\\n]*)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", re.MULTILINE)
_NAMESPACE = uuid.UUID("7a3a3c3e-5d0e-4d0e-8f57-0c9f3d1f6c11")
"""For serial numbers that are the same for the same contents."""


def bill(name: str, version: str, requirements: Path, epoch: int) -> str:
    """The same text each time. A part has the hash of each file that may be installed."""
    text = requirements.read_text()
    about = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"{name}@{version}")
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{name} {version} {text}"))
    bom.metadata.component = about
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    parts = [_component(*pin.groups()) for pin in _PIN.finditer(text)]
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(about, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(name: str, version: str, hashes: str) -> Component:
    return Component(
        name=name,
        version=version,
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=f"{name}@{version}",
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=digest)
            for digest in re.findall(r"sha256:([0-9a-f]+)", hashes)
        ],
    )
