"""A first spec from a repository that was written by hand: what can be taken, from where, and what cannot, and why."""
