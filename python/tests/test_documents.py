"""The Python of the documents, block by block, each document in a folder of its own with the files that it names."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Dict

import pytest

from conftest import ROOT, TINY

DOCUMENTS = ["README.md", "docs/PYTHON.md", "python/README.md"]
BLOCK = re.compile(r"(?:<!-- (not run): .*-->\n)?(?:<!--.*-->\n)?```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_runs(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ["pixelcnn.pt", "background.pt"]:
        shutil.copy(TINY, tmp_path / name)
    variables: Dict[str, Any] = {}
    blocks = BLOCK.findall((ROOT / document).read_text())
    assert blocks
    for kept, block in blocks:
        if not kept:
            exec(compile(block, document, "exec"), variables)
