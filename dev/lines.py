"""Every line that the operator can print, read from its code: `python -m dev.lines`.

For whoever reads them as the person who gets one at night: who, where, what to do. `{}` is what is filled in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "operator" / "moorcheh_operator"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@dataclass(frozen=True, slots=True, order=True)
class Line:
    file: str  # in the package
    number: int
    kind: str  # a log level; for a text that is raised or returned in an error, the error
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}  {self.kind}: {self.words}"


def lines() -> list[Line]:
    return sorted(line for path in PACKAGE.rglob("*.py") for line in _of(path))


def _of(path: Path) -> Iterator[Line]:
    name = str(path.relative_to(PACKAGE))
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = ast.unparse(node.func)
        texts = [words for argument in node.args if (words := _words(argument))]
        if called.startswith("logger."):
            kind = called.removeprefix("logger.")
            yield Line(name, node.lineno, kind if kind in LEVELS else "log", " | ".join(texts))
        elif called.rpartition(".")[2].endswith(("Error", "Exception", "Announcement")) and texts:
            yield Line(name, node.lineno, called, " | ".join(texts))


def _words(node: ast.expr) -> str:
    """The text of a literal, with `{}` for what is filled in; nothing for what is none."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_words(part) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.BinOp(left=left, right=right):
            return _words(left) + _words(right)
        case _:
            return ""


def main() -> None:
    for line in lines():
        print(line)


if __name__ == "__main__":
    main()
