"""Requirements of vLLM's wheel in a folder, without what only pictures and sound need: `vllm_requirements.py FOLDER`."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

LEFT_OUT = re.compile(r"(torchaudio|torchvision|torchcodec)\b")


def main() -> None:
    """Print one a line."""
    wheel = next(Path(sys.argv[1]).glob("*.whl"))
    with zipfile.ZipFile(wheel) as found:
        name = next(name for name in found.namelist() if name.endswith(".dist-info/METADATA"))
        lines = found.read(name).decode().splitlines()
    for line in lines:
        field, _, requirement = line.partition(": ")
        if field == "Requires-Dist" and "extra ==" not in requirement and not LEFT_OUT.match(requirement):
            print(requirement)


if __name__ == "__main__":
    main()
