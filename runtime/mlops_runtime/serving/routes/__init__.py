"""Endpoints, one module per API."""
