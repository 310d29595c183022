"""Where a rollout takes place: its state, the router's weights, and the servers of champion and canary."""
