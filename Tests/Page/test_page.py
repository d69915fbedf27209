"""The page in a real browser with real daemons: drawing, drawing again, completing, scoring, the status, and what
happens while the daemon is busy, reloaded or restarted. Pixels are compared with the client's."""

from __future__ import annotations

import base64
import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest

from browser import Page
from conftest import BUILD, FIXTURES, ROOT, Daemon, eventually
import scale  # of Tests/Scale

Start = Callable[..., Daemon]
MODEL = "document.getElementById('model')?.textContent.includes('×')"
RUN, DONE = "#draw-runs .run", "#draw-runs .run progress[hidden]"


def show(page: Page, daemon: Daemon, tab: str = "draw") -> None:
    """Opens the page and waits for the model."""
    page.open(f"{daemon.address}#{tab}")
    page.until(MODEL)


def choose(page: Page, tab: str) -> None:
    page.click(f"#tab-{tab}")
    page.until(f"document.body.dataset.tab === '{tab}'")


def draw(page: Page, **fields: Any) -> str:
    """Draws with these fields; what the run says at its end."""
    for name, value in fields.items():
        page.fill(f"#settings [name={name}]", str(value))
    page.click("#go")
    page.until(f"document.querySelector('{DONE}')")
    return page.text(f"{RUN} .note")


def pixels(page: Page, source: str) -> Any:
    """The pixels (H, W, 4) that an expression for a canvas, or for the address of a picture, gives."""
    size, values = page.evaluate(
        f"""(async () => {{
            let canvas = {source};
            if (typeof canvas === "string") {{
                const image = new Image();
                image.src = canvas;
                await image.decode();
                canvas = Object.assign(document.createElement("canvas"), {{width: image.width, height: image.height}});
                canvas.getContext("2d").drawImage(image, 0, 0);
            }}
            const {{width, height}} = canvas;
            return [[height, width, 4], [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
        }})()""")
    return np.array(values, np.uint8).reshape(size)


def tile(page: Page, number: int, run: str = RUN) -> Any:
    return pixels(page, f"document.querySelectorAll({json.dumps(run + ' .tile canvas')})[{number}]")


def png(page: Page, path: Path) -> Any:
    """The pixels of a PNG file, read by the browser."""
    return pixels(page, json.dumps("data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()))


def saved(page: Page, daemon: Daemon, button: str) -> Path:
    """The file that a button saves."""
    folder = daemon.path / "saved"
    folder.mkdir(exist_ok=True)
    before = set(folder.iterdir())
    page.browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    page.click(button)
    file, = eventually(lambda: {path for path in folder.iterdir() if path.suffix in (".png", ".npy")} - before)
    return Path(file)


def repeat(page: Page, daemon: Daemon) -> Path:
    """Runs the command that the page shows; the file that it writes."""
    for file in ("samples.png", "codes.npy"):
        (daemon.path / file).unlink(missing_ok=True)
    daemon.run(page.text("#command"))
    return next(path for path in (daemon.path / "samples.png", daemon.path / "codes.npy") if path.exists())


# Drawing

@pytest.mark.parametrize("model, fields", [
    ("tiny.pt", {"n": 2, "temperature": 0.9}),
    ("tiny.pt", {"n": 1, "height": 5, "width": 11, "top_k": 40, "top_p": 0.9}),
    ("gray.safetensors", {"n": 2}),
    ("conditional.pt", {"n": 2, "label": 3}),
])
def test_pixels_and_files_are_those_of_the_client(page: Page, daemon: Start, model: str, fields: Any) -> None:
    served = daemon(model)
    show(page, served)
    assert f"{fields['n']} image" in draw(page, seed="18446744073709551615", **fields)
    for number in range(fields["n"]):
        page.click(f"{RUN} .tile:nth-child({number + 1})")
        file = saved(page, served, "#save-png")
        repeated = repeat(page, served)
        assert file.read_bytes() == repeated.read_bytes()
        assert np.array_equal(tile(page, number), png(page, file))
        served.run(f"{page.text('#command')} -o image.npy")
        assert np.array_equal(np.load(saved(page, served, "#save-npy")), np.load(served.path / "image.npy")[0])
        page.press("Escape")


def test_each_class_has_its_images(page: Page, daemon: Start) -> None:
    served = daemon("conditional.pt")
    show(page, served)
    draw(page, label="all", n=2, seed=3)
    names = served.get("v1/model")["label_names"]
    assert page.evaluate("[...document.querySelectorAll('.run h3')].map((name) => name.textContent)") == names
    served.run("pixelcnn sample -n 2 --seed 3 --label all --columns 2 -o all.png")
    grid = png(page, served.path / "all.png")
    for number in range(2 * len(names)):
        row, column = (8 * place for place in divmod(number, 2))
        assert np.array_equal(tile(page, number), grid[row:row + 8, column:column + 8])


def test_rows_appear_as_they_are_drawn_and_cancelling_frees_the_daemon(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    for name, value in (("n", "64"), ("height", "512"), ("width", "512")):
        page.fill(f"#settings [name={name}]", value)
    page.click("#go")
    page.until("""[...document.querySelectorAll('.tile canvas')].some((canvas) => {
        const alpha = (row) => canvas.getContext('2d').getImageData(0, row, 1, 1).data[3];
        return alpha(0) === 255 && alpha(511) === 0; })""")
    page.until(f"document.querySelector('{RUN} .note').textContent.includes('images/s')")
    page.click(f"{RUN} header button")
    page.until(f"document.querySelector('{RUN} .note').textContent.startsWith('Cancelled: ')")
    eventually(lambda: served.get("v1/status")["images_in_flight"] == 0)
    assert served.get("v1/status")["requests_queued"] == 0


def test_again_from_a_row_starts_below_known_rows(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    draw(page, n=1, seed=1)
    original = tile(page, 0)
    page.click(f"{RUN} .tile")
    page.drag("#viewer-stage", (0.5, 0.9), (0.5, 0.7), (0.5, 0.5))
    assert page.evaluate("document.getElementById('again-rows').value") == "4"
    page.fill("#again-n", "3")
    hits = served.get("v1/status")["prefix_cache"]["hits"]
    page.click("#again .primary")
    page.until(f"document.querySelectorAll('{DONE}').length === 2")
    assert page.text(f"{RUN} .note").startswith("12 of 12 kept rows were known")
    assert served.get("v1/status")["prefix_cache"]["hits"] == hits + 3
    for number in range(3):
        assert np.array_equal(tile(page, number)[:4], original[:4])
        assert not np.array_equal(tile(page, number)[4:], original[4:])
    page.click(f"{RUN} .tile:nth-child(2)")
    saved(page, served, "#save-given").rename(served.path / "given.npy")
    assert np.array_equal(png(page, repeat(page, served)), tile(page, 1))
    assert saved(page, served, "#save-png").read_bytes() == (served.path / "samples.png").read_bytes()


def test_settings_are_refused_in_the_daemons_words(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    assert draw(page, temperature=0.001) == "temperature is 0.001; allowed is 0, or 0.01…100"
    page.expected = "422"


def test_a_model_of_codes_shows_them_and_says_that_no_picture_holds_them(page: Page, daemon: Start) -> None:
    served = daemon("published/vqvae-prior.pt", "--height", "8", "--width", "8")
    show(page, served)
    draw(page, n=1, seed=5)
    page.click(f"{RUN} .tile")
    file = saved(page, served, "#save-npy")
    codes = np.load(file)
    assert np.array_equal(np.load(repeat(page, served))[0], codes)
    colours = tile(page, 0)
    assert (colours[..., 3] == 255).all() and len(np.unique(colours.reshape(-1, 4), axis=0)) > len(np.unique(codes)) / 2
    page.click("#save-png")
    page.until("document.querySelector('.notice')")
    assert "a PNG shows 1 or 3 channels of at most 256 values" in page.text(".notice")
    page.expected = "406"
    page.press("Escape")
    choose(page, "complete")
    page.choose("#complete-file", [FIXTURES.parents[1] / "docs/emoji.png"])
    page.until("document.body.innerText.includes('No picture holds 1 channels of')")
    page.choose("#complete-file", [file])
    page.until("!document.getElementById('editor').hidden")


# Completing

def complete(page: Page) -> None:
    page.click("#go")
    page.until("document.querySelector('#complete-runs .run progress[hidden]')")


def test_completing_keeps_what_is_painted(page: Page, daemon: Start) -> None:
    served = daemon()
    served.run("pixelcnn sample --height 24 --width 40 -o large.png")
    show(page, served, "complete")
    page.choose("#complete-file", [served.path / "large.png"])
    page.until("!document.getElementById('editor').hidden")
    middle = pixels(page, "document.getElementById('mask-picture')")
    page.fill("#crop-place", "0")
    picture = pixels(page, "document.getElementById('mask-picture')")
    assert picture.shape == (8, 8, 4) and not np.array_equal(picture, middle)
    page.fill("#brush-size", "1")
    page.drag("#mask", (0.3, 0.2), (0.9, 0.2), (0.9, 0.6))
    veil = pixels(page, "document.getElementById('mask')")[..., 3]
    assert (veil == 0).any() and (veil > 0).any()
    page.fill("#settings [name=n]", "2")
    complete(page)
    kept = veil == 0
    for number in range(2):
        drawn = tile(page, number, "#complete-runs .run")
        assert np.array_equal(drawn[kept], picture[kept]) and not np.array_equal(drawn, picture)
    page.click("#complete-runs .tile:nth-child(2)")
    saved(page, served, "#save-given").rename(served.path / "given.npy")
    saved(page, served, "#save-mask").rename(served.path / "mask.npy")
    assert np.array_equal(np.load(served.path / "mask.npy") != 0, kept)
    assert np.array_equal(png(page, repeat(page, served)), tile(page, 1, "#complete-runs .run"))


def test_a_mask_is_painted_by_keys_and_undone(page: Page, daemon: Start) -> None:
    served = daemon()
    served.run("pixelcnn sample -o image.npy")
    show(page, served, "complete")
    page.choose("#complete-file", [served.path / "image.npy"])
    page.until("!document.getElementById('editor').hidden")
    assert page.evaluate("document.getElementById('crop').hidden")
    page.fill("#brush-size", "1")
    page.evaluate("document.getElementById('mask').focus()")
    page.press("ArrowUp", " ", "ArrowLeft", " ")
    page.evaluate("document.getElementById('mask').blur()")

    def kept() -> List[List[int]]:
        return np.argwhere(pixels(page, "document.getElementById('mask')")[..., 3] == 0).tolist()

    assert kept() == [[3, 3], [3, 4]]
    page.evaluate("document.getElementById('mask').focus()")
    page.press("z", control=True)
    page.evaluate("document.getElementById('mask').blur()")
    assert kept() == [[3, 4]]
    page.click("#mask-all")
    assert len(kept()) == 64
    page.click("#mask-undo")
    assert kept() == [[3, 4]]


# Scoring

def test_scores_are_those_of_the_client_and_the_heat_map_those_of_the_pixels(page: Page, daemon: Start) -> None:
    served = daemon("conditional.pt")
    images = FIXTURES / "conditional-images.npy"
    show(page, served, "score")
    page.fill("#settings [name=label]", "1")
    page.choose("#score-file", [images])
    page.until("document.querySelectorAll('#scores li').length === 5")
    served.run(f"pixelcnn score {images} --label 1 -o {served.path}/log_prob.npy")
    nats = -np.load(served.path / "log_prob.npy").astype(np.float64)
    bits = nats.mean(axis=(1, 2, 3)) / np.log(2)
    shown = page.evaluate("[...document.querySelectorAll('#scores b')].map((words) => parseFloat(words.textContent))")
    assert np.allclose(shown, np.sort(bits), atol=6e-4)
    heat = pixels(page, "document.querySelector('#scores canvas.over')")
    expected = nats[bits.argmin()].sum(axis=0)
    alpha = 255 * np.sqrt(np.clip(expected / np.sort(nats.sum(axis=1), axis=None)[int(5 * 64 * 0.99)], 0, 1))
    assert np.abs(heat[..., 3] - alpha).max() < 1.01
    page.fill("#settings [name=label]", "2")
    page.until(f"parseFloat(document.querySelector('#scores b').textContent) !== {shown[0]}")
    page.click("#scores .tile")
    assert not page.evaluate("document.getElementById('viewer-heat').hidden")


def test_pictures_are_dropped_and_pasted(page: Page, daemon: Start) -> None:
    served = daemon()
    served.run("pixelcnn sample -n 2 --columns 2 -o two.png")
    show(page, served, "score")
    file = base64.b64encode((served.path / "two.png").read_bytes()).decode()
    for kind, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(f"""(() => {{
            const files = new DataTransfer(), bytes = Uint8Array.from(atob("{file}"), (c) => c.charCodeAt(0));
            files.items.add(new File([bytes], "{kind}.png", {{type: "image/png"}}));
            const event = new Event("{kind}", {{bubbles: true, cancelable: true}});
            document.body.dispatchEvent(Object.assign(event, {{{field}: files}}));
        }})()""")
    page.until("document.querySelectorAll('#scores li').length === 2")
    assert page.evaluate("[...document.querySelectorAll('#scores li')].map((item) => item.innerText.split('\\n')[0])"
                         ".every((bits, _, all) => bits === all[0])")


# The daemon

def test_a_busy_daemon_is_waited_for(page: Page, daemon: Start) -> None:
    served = daemon("tiny.pt", "--max-queue", "1")
    show(page, served)
    filler = subprocess.Popen(
        [BUILD / "pixelcnn", "sample", "-n", "4000", "--height", "512", "--width", "8", "--quiet", "-o", "all.npy",
         "--socket", served.socket], cwd=served.path)
    eventually(lambda: served.get("v1/status")["images_queued"] >= 1000)
    page.fill("#settings [name=n]", "1")
    page.click("#go")
    page.until(f"document.querySelector('{RUN} .note').textContent.includes('the queue is full')")
    filler.kill()
    filler.wait()
    page.until(f"document.querySelector('{DONE}')")
    assert page.text(f"{RUN} .note").startswith("1 image")
    page.expected = "429"


def test_another_model_is_told(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    draw(page, n=1)
    (served.path / "new").write_bytes((FIXTURES / "conditional.pt").read_bytes())
    (served.path / "new").rename(served.model)
    served.process.send_signal(signal.SIGHUP)
    eventually(lambda: served.get("v1/model")["labels"] == 5)
    page.click("#go")
    page.until("document.querySelector('.notice')")
    assert "another model" in page.text(".notice")
    assert not page.evaluate("document.getElementById('class-field').hidden")
    page.click(".notice button")
    page.until("!document.querySelector('.notice')")
    page.click("#go")
    page.until(f"document.querySelectorAll('{DONE}').length === 3")
    assert page.text(f"{RUN} .note").startswith("1 image")
    page.expected = "422"  # the first request has no class


def test_a_killed_daemon_draws_the_same_images_when_it_is_back(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    for name, value in (("n", "8"), ("seed", "4"), ("height", "96"), ("width", "96")):
        page.fill(f"#settings [name={name}]", value)
    page.click("#go")
    page.until(f"document.querySelector('{RUN} progress').value > 0")
    served.process.kill()
    served.process.wait()
    page.until(f"document.querySelector('{RUN} .note').textContent.includes('Waiting')")
    served.start()
    page.until(f"document.querySelector('{DONE}')")
    served.run("pixelcnn sample -n 8 --seed 4 --height 96 --width 96 --columns 8 -o all.png")
    grid = png(page, served.path / "all.png")
    for number in range(8):
        assert np.array_equal(tile(page, number), grid[:, 96 * number:96 * number + 96])
    page.expected = "net::ERR_"


def test_the_page_survives_its_own_reload(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served, "score")
    page.call("Page.reload")
    page.until(MODEL)
    assert page.evaluate("document.querySelector('[aria-selected=true]').id") == "tab-score"
    choose(page, "draw")
    assert draw(page, n=1).startswith("1 image")


def test_the_status_is_asked_for_every_two_seconds_while_somebody_looks(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)

    def polls() -> List[float]:
        return [when for when, address in page.requests() if address.endswith("/v1/status")]

    assert polls() == []
    choose(page, "status")
    eventually(lambda: len(polls()) == 3)
    page.until("document.getElementById('status-facts').innerText.includes('known rows')")
    other = page.browser.page()  # lies in front
    other.browser.call("Target.activateTarget", targetId=other.target)
    page.until("document.hidden")
    count = len(polls())
    time.sleep(5)
    assert len(polls()) == count
    other.close()
    page.until("!document.hidden")
    eventually(lambda: len(polls()) > count)
    choose(page, "draw")
    count = len(polls())
    time.sleep(5)
    assert len(polls()) == count
    assert min(np.diff(polls())) > 1.9


def test_names_are_text(page: Page, daemon: Start) -> None:
    served = daemon(name="<img src=x onerror=alert(1)>.pt")
    show(page, served)
    assert page.text("#model").startswith("<img src=x onerror=alert(1)>.pt")
    assert not page.evaluate("document.querySelector('img')")


def test_nginx_serves_it_below_a_path_with_a_password(page: Page, daemon: Start) -> None:
    served = daemon()
    served.socket.chmod(0o666)
    with scale.Folder() as folder:
        port = scale.free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=localhost", "-keyout", folder.path / "pixelcnn.key", "-out", folder.path / "pixelcnn.crt"],
            check=True, capture_output=True)
        password = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True)
        (folder.path / "pixelcnn.htpasswd").write_text("someone:" + password.stdout)
        text = (ROOT / "docs/examples/nginx.conf").read_text()
        text = text.replace("/run/pixelcnn/pixelcnn@a.sock", str(served.socket)).replace("/etc/nginx", str(folder.path))
        text = text.replace("    server unix:/run/pixelcnn/pixelcnn@b.sock max_fails=0;\n", "")
        text = text.replace("listen 443", f"listen 127.0.0.1:{port}")

        def is_ready() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0
        scale.nginx(folder, text, is_ready)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"https://localhost:{port}/pixelcnn/", context=ssl._create_unverified_context())
        page.open(f"https://someone:secret@localhost:{port}/pixelcnn/")
        page.until(MODEL)
        assert draw(page, n=2, seed=1).startswith("2 images")
        served.run("pixelcnn sample -n 2 --seed 1 --columns 2 -o two.png")
        assert np.array_equal(tile(page, 1), png(page, served.path / "two.png")[:, 8:])
        assert {address.split("/")[3] for _, address in page.requests() if address.startswith("http")} == {"pixelcnn"}


def test_pixelcnn_open_leads_to_it(page: Page, daemon: Start) -> None:
    served = daemon()
    command = [BUILD / "pixelcnn", "open", "--no-browser", "--socket", served.socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as opened:
        assert opened.stdout
        page.open(opened.stdout.readline().strip())
        page.until(MODEL)
        assert page.evaluate("location.pathname + location.search + document.cookie") == "/"
        draw(page, n=1, seed=3)
        served.run("pixelcnn sample --seed 3")
        assert np.array_equal(tile(page, 0), png(page, served.path / "samples.png"))
        opened.send_signal(signal.SIGINT)
        assert opened.wait() == 130


# Looks, keyboard, screen readers

def test_it_is_used_by_keyboard_alone(page: Page, daemon: Start) -> None:
    served = daemon()
    show(page, served)
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tab-draw"
    page.press("ArrowLeft")
    page.until("document.activeElement.id === 'tab-status' && document.body.dataset.tab === 'status'")
    page.press("Home")
    page.until("document.body.dataset.tab === 'draw'")
    page.press("Tab", "Tab", "Enter")  # the first field
    page.until(f"document.querySelector('{DONE}')")
    for _ in range(20):
        page.press("Tab")
        style = page.evaluate("""(() => { const style = getComputedStyle(document.activeElement);
            return [document.activeElement.className, style.outlineStyle, style.outlineWidth]; })()""")
        assert style[1] != "none" and style[2] != "0px", f"no focus is seen on {style}"
        if style[0] == "tile":
            break
    page.press("Enter")
    page.until("document.getElementById('viewer').open")
    page.press("Escape")
    page.until("!document.getElementById('viewer').open")
    assert page.evaluate("document.activeElement.className") == "tile"
    assert page.text("#live").startswith("9 images")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(page: Page, daemon: Start, scheme: str, width: int) -> None:
    served = daemon("conditional.pt")
    page.resize(width, 800)
    page.prefer(prefers_color_scheme=scheme)
    show(page, served)
    axe = Path(next(iter(__import__("axe_playwright_python").__path__))) / "axe.min.js"
    page.evaluate(axe.read_text() + "; 0")

    def check(where: str) -> None:
        found = page.evaluate("""axe.run(document, {resultTypes: ['violations']}).then(({violations}) =>
            violations.map(({id, nodes}) => [id, nodes.map(({html, failureSummary}) => [html, failureSummary])]))""")
        assert found == [], where
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{where} is too wide"

    draw(page, n=3)
    choose(page, "draw")
    check("draw")
    page.click(f"{RUN} .tile")
    check("the large image")
    page.click("#to-complete")
    page.until("document.body.dataset.tab === 'complete'")
    page.drag("#mask", (0.2, 0.2), (0.6, 0.6))
    check("complete")
    choose(page, "score")
    page.choose("#score-file", [FIXTURES / "conditional-images.npy"])
    page.until("document.querySelectorAll('#scores li').length === 5")
    check("score")
    choose(page, "status")
    page.until("document.getElementById('status-facts').innerText.includes('known rows')")
    check("status")
