"""The suite: one module a level."""
