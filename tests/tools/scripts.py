"""Puts scripts that judge pages beside this Python, in `share/scripts`: Mermaid, in two versions, and axe-core.

They come from npm by their exact versions, and what came is held against its digest. Of Mermaid the older version reads
Markdown in labels more eagerly; nobody says which one GitHub runs.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "share" / "scripts"

SCRIPTS = {
    "mermaid-12.js": (
        "mermaid@12.3.0",
        "package/dist/mermaid.min.js",
        "sha512-4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw==",
    ),
    "mermaid-11.js": (
        "mermaid@11.4.1",
        "package/dist/mermaid.min.js",
        "sha512-Mb01JT/x6CKDWaxigwfZYuYmDZ6xtrNwNlidKZwkSrDaY9n90tdrJTV5Umk+wP1fZscGptmKFXHsXMDEVZ+Q6A==",
    ),
    "axe.js": (
        "axe-core@4.14.1",
        "package/axe.min.js",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ),
}
"""By name: the package, the file in it, and the package's SHA-512 as npm writes it."""


def main() -> None:
    """Fetch those that are not there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (package, file, digest) in SCRIPTS.items():
        target = FOLDER / name
        if not target.exists():
            temporary = target.with_suffix(".new")
            temporary.write_bytes(_script(package, file, digest))
            temporary.replace(target)


def _script(package: str, file: str, digest: str) -> bytes:
    """A file of a package."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", folder, package], check=True, stdout=sys.stderr
        )
        [archive] = Path(folder).iterdir()
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{found}" != digest:
            sys.exit(f"{package} is not what it was: sha512-{found}")
        with tarfile.open(archive) as opened:
            member = opened.extractfile(file)
            assert member is not None
            return member.read()


if __name__ == "__main__":
    main()
