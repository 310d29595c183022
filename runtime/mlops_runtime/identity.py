"""Names of identities: how it is told that two preprocessings, or two renderings, are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(identity: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of an identity as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def both(stored: Mapping[str, Any], running: Mapping[str, Any]) -> str:
    """What is said of two identities that differ."""
    return f"the digest stored with the model is {digest(stored)}, the one here {digest(running)}"
