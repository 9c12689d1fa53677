"""What one mutation is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class OutdatedError(Exception):
    """A text to be replaced is not in its file exactly once: the table no longer fits the code."""


@dataclass(frozen=True, slots=True)
class Mutation:
    # Of docs/safety.md; S: its part on servers; C: docs/check.md; N: names in the receipt (docs/security.md).
    rule: str
    name: str  # what is lost
    file: str  # in operator/moorcheh_operator, or crds/...
    edits: tuple[tuple[str, str], ...]  # texts to search for, and what replaces them
    tests: tuple[str, ...] = ()  # files, or single tests, that should notice, tried before all others

    @property
    def key(self) -> str:
        return f"{self.file}: {self.name}"

    def apply(self, root: Path) -> str:
        """Change the file under `root`; its text as it was."""
        path = self._path(root)
        before = text = path.read_text()
        for search, replacement in self.edits:
            found = text.count(search)
            if found != 1:
                raise OutdatedError(f"{self.file} has this {found} times instead of once: {search!r}")
            text = text.replace(search, replacement)
        if path.suffix == ".py":
            compile(text, path, "exec")  # a file that can't be read is noticed by any test
        _write(path, text)
        return before

    def undo(self, root: Path, before: str) -> None:
        _write(self._path(root), before)

    def _path(self, root: Path) -> Path:
        return (
            root if self.file.startswith("crds/") else root / "operator" / "moorcheh_operator"
        ) / self.file


def _write(path: Path, text: str) -> None:
    """Byte code is taken for new where size and second are the same."""
    path.write_text(text)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def one(rule: str, name: str, file: str, search: str, replacement: str) -> Mutation:
    return Mutation(rule, name, file, ((search, replacement),))
