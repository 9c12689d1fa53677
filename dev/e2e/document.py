"""The commands of a document, word for word: what a reader would copy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dev.e2e.errors import E2EError


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Of a console block: what stands after `$ `, with its continuation lines, without comments."""
        found: list[str] = []
        open_line = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(line.removeprefix("$ "))
            elif open_line:
                found[-1] += "\n" + line
            open_line = bool(found) and (line.startswith("$ ") or open_line) and line.endswith("\\")
        return [re.sub(r"\s+# .*$", "", command) for command in found]


def section(page: str, heading: str) -> str:
    """From the heading to the next one that is not below it."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", page, re.MULTILINE)
    if found is None:
        raise E2EError(f"the document has no section {heading!r} any more")
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", _without_code(rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def yaml_blocks(text: str) -> list[str]:
    return [block.text for block in blocks(text) if block.language == "yaml"]


def commands(text: str) -> list[str]:
    return [
        command
        for block in blocks(text)
        if block.language in {"console", "bash"}
        for command in block.commands
    ]


def inline_commands(text: str, program: str) -> list[str]:
    """Commands in a sentence, between backticks."""
    return [command for command in re.findall(r"`([^`\n]+)`", text) if command.startswith(f"{program} ")]


def _without_code(text: str) -> str:
    """The same length, so that places stay: a `#` in a code block is no heading."""
    return re.sub(r"(?ms)^```.*?^```$", lambda found: re.sub(r"[^\n]", " ", found[0]), text)
