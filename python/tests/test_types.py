"""Types, by mypy --strict, of the package, the tests and the examples; and the oldest Python's syntax."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from conftest import ROOT


def test_mypy_is_content() -> None:
    pytest.importorskip("mypy")
    # vqvae.py does not use the package; PyTorch's modules give their buffers no type.
    examples = sorted(set(ROOT.glob("docs/examples/*.py")) - {ROOT / "docs/examples/vqvae.py"})
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "python/pixelcnnd", "python/tests",
               *map(str, examples)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_python_3_9_can_read_it() -> None:
    for file in ROOT.glob("python/pixelcnnd/*.py"):
        ast.parse(file.read_text(), feature_version=(3, 9))
