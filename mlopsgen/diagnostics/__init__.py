"""Mistakes as data: a code, a place, what was found, what to do."""

from mlopsgen.diagnostics.model import Diagnostic, Failed, Severity, Span, diagnose

__all__ = ["Diagnostic", "Failed", "Severity", "Span", "diagnose"]
