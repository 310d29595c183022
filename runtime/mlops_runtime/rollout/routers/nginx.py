"""nginx: the share in `split.conf` of a ConfigMap."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlopsgen.contract import split

KEY = "split.conf"

_SHARE = re.compile(r"^\s*(?:([0-9.]+)%|(\*))\s+canary;$", re.MULTILINE)
_CHAMPION = re.compile(r"^\s*\*\s+champion;$", re.MULTILINE)


class Nginx(NamedTuple):
    """A ConfigMap with the split."""

    def share(self, document: Mapping[str, Any]) -> float:
        """See `Router`."""
        text = (document.get("data") or {}).get(KEY)
        if not isinstance(text, str) or not ("canary;" in text or _CHAMPION.search(text)):
            raise Mistaken(f"the ConfigMap has no {KEY} with a split: apply what `mlopsgen build` wrote")
        found = _SHARE.search(text.partition("}")[0])
        if found is None:
            return 0.0
        return 1.0 if found[2] else float(found[1]) / 100

    def split(self, document: Mapping[str, Any], share: float) -> dict[str, Any]:
        """See `Router`."""
        self.share(document)
        return {**document, "data": {**document["data"], KEY: split.split(share, testers=share > 0)}}
