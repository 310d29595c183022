"""The rollout controller: drives a canary through its steps, promotes it or takes it back."""
