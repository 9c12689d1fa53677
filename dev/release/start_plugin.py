"""The start of the plugin's one file: unpacks it once into the user's cache, and runs it from there.

Inside an archive Python finds no extension module and keeps no byte code: it would compile all at each start.
What comes before the check of the version must be understood by older Pythons, too.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

OLDEST = (3, 11)
RELEASE = "@RELEASE@"  # its version and a digest of what is inside
INSTALL = "The release's wheel, installed with pipx, may do: docs/kubectl.md."


def main() -> None:
    if sys.version_info < OLDEST:
        have, need = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
        sys.exit(f"kubectl moorcheh needs Python {need} or newer; the `python3` in PATH is {have}.")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(home, "kubectl-moorcheh", RELEASE + EXTENSION_SUFFIXES[0])
    if not _trusted(folder):
        folder = _unpacked(folder)
    sys.path.insert(0, folder)
    if os.path.basename(sys.argv[0]).startswith("kubectl_complete"):
        from moorcheh_kubectl.__main__ import complete as start
    else:
        from moorcheh_kubectl.__main__ import main as start
    start()


def _trusted(folder: str) -> bool:
    """There, and nobody else's: what is in it will be run."""
    try:
        return os.stat(folder).st_uid in (0, os.getuid())
    except OSError:
        return False


def _unpacked(folder: str) -> str:
    import tempfile

    parent = os.path.dirname(folder)
    try:
        os.makedirs(parent, mode=0o700, exist_ok=True)
        scratch = tempfile.mkdtemp(prefix=".unpack-", dir=parent)
    except OSError:
        return _for_this_once()
    try:
        _unpack(scratch)
        os.rename(scratch, folder)
    except OSError:
        _remove(scratch)
        # Another process may have been faster.
        return folder if _trusted(folder) else _for_this_once()
    return folder


def _for_this_once() -> str:
    """There is no cache that can be written."""
    import atexit
    import tempfile

    try:
        scratch = tempfile.mkdtemp(prefix="kubectl-moorcheh-")
        atexit.register(_remove, scratch)
        _unpack(scratch)
    except OSError as error:
        sys.exit(
            f"kubectl moorcheh has no place to unpack itself (10 MB), neither ~/.cache nor TMPDIR: {error}"
        )
    return scratch


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _unpack(scratch: str) -> None:
    import io
    import platform
    import zipfile

    with zipfile.ZipFile(os.path.dirname(os.path.abspath(__file__))) as archive:
        machine = f"native/{sys.platform}-{platform.machine()}/_core"
        native = {machine + suffix for suffix in EXTENSION_SUFFIXES} & set(archive.namelist())
        if not native:
            _remove(scratch)
            here = (
                f"{platform.python_implementation()} {platform.python_version()} on {machine.split('/')[1]}"
            )
            sys.exit(f"kubectl moorcheh, as one file, knows no {here}. {INSTALL}")
        with zipfile.ZipFile(io.BytesIO(archive.read("site.zip"))) as site:
            site.extractall(scratch)
        [name] = native
        with open(os.path.join(scratch, "msgspec", os.path.basename(name)), "wb") as module:
            module.write(archive.read(name))


if __name__ == "__main__":
    main()
