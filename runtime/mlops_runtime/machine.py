"""What this process takes of its machine."""

from __future__ import annotations

import re
import sys


def peak_memory() -> int:
    """Most memory that this process had resident, in bytes.

    `getrusage` alone would do but for Linux, where a process that was started by `vfork` inherits its parent's peak
    (`exec` hands it on, see setmax_mm_hiwater_rss in fs/exec.c).
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
            found = re.search(r"^VmHWM:\s+(\d+) kB", stream.read(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
