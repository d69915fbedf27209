"""The version, which is one number for all of the project: what the package was installed as or, in a source tree, what
the programs are built as. setup.py asks here, too."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

SOURCE = Path("Sources/PixelCNNAPI/ProtocolNames.swift")


def version() -> str:
    """The version of this package."""
    try:
        return source_version()
    except OSError:
        return importlib.metadata.version("pixelcnnd")


def source_version() -> str:
    """The version of the source tree that this file lies in; OSError if it lies in none."""
    text = (Path(__file__).resolve().parents[2] / SOURCE).read_text(encoding="utf-8")
    found = re.search(r'static let current = "([^"]+)"', text)
    if found is None:
        raise OSError(f"{SOURCE} has no version")
    return found.group(1)
