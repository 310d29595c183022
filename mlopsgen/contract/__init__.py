"""What the running parts promise to each other.

Plain data: the generator refers to it, the runtime registers from it.
"""
