"""What splits the traffic: for each engine, how the canary's share is read from its document and written into it."""
