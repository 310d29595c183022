"""The quality exporter: is the served model still good, and are its requests those that it was trained for."""
