#!/usr/bin/env python3
"""Takes the pictures of the page that README.md and docs/PAGE.md show, in chromium, with the daemon that
PIXELCNN_SOCKET names (scripts/with-daemon): docs/page.png and docs/page-….png. `make page-pictures` calls it."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, List

import numpy as np

from browser import Browser, Page

DOCS = Path(__file__).resolve().parents[2] / "docs"
MODEL = "document.getElementById('model')?.textContent.includes('×')"


def port_to(path: str) -> int:
    """A loopback port that leads to a socket for as long as this process lives."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr",
                      f"UNIX-CONNECT:{path}"])
    while True:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return port
        time.sleep(0.02)


def emoji(page: Page) -> Any:
    """The nine emoji (9, 3, 32, 32) of docs/emoji-completions.png, which the model has not seen."""
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'picture'}))")
    node = page.call("DOM.querySelector", nodeId=root, selector="#picture")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=node, files=[str(DOCS / "emoji-completions.png")])
    values = page.evaluate("""(async () => {
        const image = await createImageBitmap(document.getElementById('picture').files[0]);
        const context = new OffscreenCanvas(64, 576).getContext('2d');
        context.drawImage(image, 0, 0);
        return [...context.getImageData(0, 0, 64, 576).data];
    })()""")
    return np.array(values, np.uint8).reshape(9, 64, 64, 4)[:, ::2, ::2, :3].transpose(0, 3, 1, 2)


def draw(page: Page, runs: str, **fields: Any) -> None:
    for name, value in fields.items():
        page.fill(f"#settings [name={name}]", str(value))
    page.click("#go")
    page.until(f"document.querySelector('#{runs} .run progress[hidden]')")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def take(address: str, folder: Path) -> List[Path]:
    browser = Browser()
    paths = []

    def picture(page: Page, name: str) -> None:
        page.mouse("mouseMoved", (2, 2), 0)
        paths.append(folder / name)
        page.screenshot(paths[-1])
    try:
        page = browser.page()
        page.open("about:blank#")
        images = emoji(page)
        np.save(folder / "emoji.npy", images)
        np.save(folder / "frog.npy", images[2])
        page.resize(1280, 860)
        page.open(address)
        page.until(MODEL)
        draw(page, "draw-runs", label="all", n=8, seed=7, temperature=0.95)
        picture(page, "page.png")

        page.resize(1100, 640)
        page.click(".grid:nth-of-type(1) .tile")
        page.drag("#viewer-stage", (0.5, 0.5), (0.5, 0.44))
        picture(page, "page-again.png")
        page.press("Escape")

        page.resize(1280, 860)
        page.click("#tab-complete")
        page.choose("#complete-file", [folder / "frog.npy"])
        page.fill("#brush-size", "6")
        page.drag("#mask", (0.2, 0.2), (0.8, 0.2), (0.8, 0.4), (0.2, 0.4))
        page.fill("#brush-size", "4")
        draw(page, "complete-runs", label="2", n=6, seed=3)
        picture(page, "page-complete.png")

        page.resize(1280, 620)
        page.prefer(prefers_color_scheme="dark")
        page.click("#tab-score")
        page.choose("#score-file", [folder / "emoji.npy"])
        page.until("document.querySelectorAll('#scores li').length === 9")
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        picture(page, "page-score.png")

        page.resize(360, 740, 2, mobile=True)
        page.open(address)
        page.until(MODEL)
        draw(page, "draw-runs", label="8", n=6, seed=7, temperature=0.95)
        picture(page, "page-phone.png")
    finally:
        browser.close()
    return paths


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in take(f"http://127.0.0.1:{port_to(os.environ['PIXELCNN_SOCKET'])}/", Path(folder)):
            subprocess.run(["pngquant", "--strip", "--force", "--output", DOCS / path.name, path], check=True)


if __name__ == "__main__":
    main()
