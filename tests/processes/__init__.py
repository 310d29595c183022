"""The supervisor, with stand-ins for the processes and with the real ones."""
