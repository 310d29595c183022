"""A/B tests: who sees which version, how many users it takes, and what their outcomes say."""
