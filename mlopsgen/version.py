"""The version, read without importing anything."""

VERSION = "0.1.0"
