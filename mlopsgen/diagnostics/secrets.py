"""What looks like a credential, and how text is shown without it."""

from __future__ import annotations

import re

CREDENTIAL = re.compile(
    r"""AKIA[0-9A-Z]{16} | ASIA[0-9A-Z]{16}                       # AWS access keys
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,}  # GitHub tokens
    | hf_[A-Za-z0-9]{30,} | glpat-[A-Za-z0-9_-]{20,}             # Hugging Face, GitLab
    | xox[abeoprs]-[A-Za-z0-9-]{10,}                             # Slack
    | (?<=hooks\.slack\.com/services/)[A-Za-z0-9/]+
    | sk-[A-Za-z0-9_-]{20,} | AIza[0-9A-Za-z_-]{35}              # OpenAI and alike, Google
    | eyJ[A-Za-z0-9_-]{10,500}\.eyJ[A-Za-z0-9_-]{10,999}\.[A-Za-z0-9_-]*  # JSON web token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                            # user:password@host
    """,
    re.VERBOSE,
)


def redacted(text: str) -> str:
    """The text with a dot for each character of what looks like a credential."""
    return CREDENTIAL.sub(lambda match: "•" * len(match[0]), text)
