"""Runs what `local/processes.yaml` lists: plain data in, processes out. Knows nothing of the spec or of any part."""
