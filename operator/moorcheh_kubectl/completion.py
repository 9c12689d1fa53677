"""What Tab offers: `kubectl_complete-moorcheh` is what kubectl asks for the completions of a plugin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from click.shell_completion import CompletionItem, ShellComplete

from .cli import COMPLETE, as_kubectl_reads, group

NO_FILES, DEFAULT = 4, 0  # kubectl's (Cobra's) directives


def main() -> NoReturn:
    """The words typed after `kubectl moorcheh`, the last one unfinished; answers in Cobra's form."""
    *words, incomplete = sys.argv[1:] or [""]
    items = completions(words, incomplete)
    for item in items:
        if item.type == "plain":
            described = f"{item.value}\t{item.help}" if item.help else str(item.value)
            sys.stdout.write(f"{described}\n")
    files = any(item.type != "plain" for item in items)
    sys.stdout.write(f":{DEFAULT if files else NO_FILES}\n")
    sys.exit(0)


def completions(words: Sequence[str], incomplete: str) -> list[CompletionItem]:
    shell = ShellComplete(group, {}, "kubectl moorcheh", COMPLETE)
    return shell.get_completions(list(as_kubectl_reads(words)), incomplete)
