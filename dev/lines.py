"""Every line that the operator and the plugin can print, from their code: `python -m dev.lines [FOLDER]`.

For whoever reads them as the person who gets one at night: who, where, what to do. `{}` is what is filled in.
A text counts by what it is, some words that are no docstring, and not by what prints it; so none is left out.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPERATOR = Path(__file__).resolve().parent.parent / "operator"
WORDS = re.compile(r"[A-Za-z']{2,}[^A-Za-z]*\s[^A-Za-z]*[A-Za-z']{2,}|\{\} [a-z]{2,}|[a-z]{2,} \{\}")


@dataclass(frozen=True, slots=True, order=True)
class Line:
    file: str
    number: int
    kind: str  # what takes the text: a call, the name that it is given, the function that returns it
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}  {self.kind}: {self.words}"


def lines(folder: Path = OPERATOR) -> list[Line]:
    found = (
        Line(str(path.relative_to(folder)), number, kind, words)
        for path in folder.rglob("*.py")
        for number, kind, words in texts(path.read_text())
    )
    return sorted(found)


def texts(source: str) -> Iterator[tuple[int, str, str]]:
    """Line number, kind and words of each."""
    yield from _of(ast.parse(source), "module")


def _of(node: ast.AST, kind: str) -> Iterator[tuple[int, str, str]]:
    match node:
        case ast.Expr(value=ast.Constant()):
            return  # a docstring
        case ast.Constant() | ast.JoinedStr() | ast.BinOp(op=ast.Add()):
            words = " ".join(_words(node).split())
            if WORDS.search(words):
                yield node.lineno, kind, words
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            kind = name
            if any(_is_command(each) for each in node.decorator_list) and (shown := ast.get_docstring(node)):
                yield node.lineno, f"{kind} help", " ".join(shown.split())  # of a command
        case ast.Assign(targets=[target, *_]) | ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            kind = ast.unparse(target)
        case ast.Call(func=func):
            kind = ast.unparse(func).rpartition("(")[2]
        case ast.keyword(arg=str(name)):
            kind = f"{kind} {name}"
    for below in _below(node):
        yield from _of(below, kind)


def _is_command(decorator: ast.expr) -> bool:
    return re.search(r"\.(command|group)\b", ast.unparse(decorator)) is not None


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a text are no texts; what is filled into it may have some."""
    match node:
        case ast.JoinedStr(values=parts):
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    yield part.value
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            for part in (left, right):
                yield from [part] if not _words(part).strip(" {}") else _below(part)
        case _:
            yield from ast.iter_child_nodes(node)


def _words(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_words(part) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _words(left) + _words(right)
        case ast.Constant():
            return ""
        case _:
            return "{}"


def main() -> None:
    for line in lines(*(Path(folder) for folder in sys.argv[1:2])):
        print(line)


if __name__ == "__main__":
    main()
