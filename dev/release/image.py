"""`make image`: the Dockerfile, by whichever builder works here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from dev.release import ROOT, Source

BUILDERS = {"docker": ["build"], "podman": ["build"], "buildah": ["build"]}
"""In this order; each takes the same options."""


def builder(path: str | None = None) -> str | None:
    """The first that is installed and answers: a docker without its daemon builds nothing."""
    for name in BUILDERS:
        program = shutil.which(name, path=path)
        if program and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0:
            return program
    return None


def command(program: str, source: Source, tag: str, base: str | None) -> list[str]:
    words = [program, *BUILDERS[Path(program).name], "--tag", tag, "--build-arg", f"VERSION={source.version}"]
    words += ["--build-arg", f"REVISION={source.revision()}"]
    return [*words, *(["--build-arg", f"PYTHON={base}"] if base else []), str(source.root)]


@click.command()
@click.option("--tag", help="Default: the published address, and the version")
@click.option("--base", help="The image with Python to build on, such as one by digest, or one that is here")
def main(tag: str | None, base: str | None) -> None:
    """Build the operator's image from this tree."""
    source = Source(ROOT)
    if (program := builder()) is None:
        click.echo(
            f"An image takes one of {', '.join(BUILDERS)}, installed and running. None answers here.",
            err=True,
        )
        sys.exit(1)
    words = command(program, source, tag or f"{source.published('image')}:{source.version}", base)
    click.echo(" ".join(words))
    sys.exit(subprocess.run(words, env=os.environ, check=False).returncode)


if __name__ == "__main__":
    main()
