"""pydantic-core, and no more of it than is needed.

Two thirds of the time that importing the package takes goes into types for building schemas, which light mode never
does. There the package is entered without running it; whoever wants all of it calls `whole` first.
"""

from __future__ import annotations

import sys

from mlopsgen.spec import mode

_PACKAGE = "pydantic_core"


def _enter() -> None:
    """Make the extension module importable without running the package."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(_PACKAGE)
    if spec is not None and _PACKAGE not in sys.modules:
        sys.modules[_PACKAGE] = module_from_spec(spec)


def whole() -> None:
    """Run the package if it was only entered."""
    module = sys.modules.get(_PACKAGE)
    if module is not None and not hasattr(module, "SchemaValidator") and module.__spec__ is not None:
        loader = module.__spec__.loader
        assert loader is not None
        loader.exec_module(module)


if mode.light:
    _enter()

from pydantic_core._pydantic_core import (  # noqa: E402
    PydanticCustomError as Mistake,
)
from pydantic_core._pydantic_core import (  # noqa: E402
    SchemaValidator,
    ValidationError,
    __version__,
)

__all__ = ["Mistake", "SchemaValidator", "ValidationError", "__version__", "whole"]
