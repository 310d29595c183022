"""Code of the support assistant that is not generated."""
