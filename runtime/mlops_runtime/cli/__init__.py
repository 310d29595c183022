"""The `mlops-runtime` command: one click command per name of the contract; each imports what it needs when it runs."""
