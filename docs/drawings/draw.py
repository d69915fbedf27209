#!/usr/bin/env python3
"""Draws docs/drawings/*.svg, the figures of docs/HOW-IT-WORKS.md and of the emoji model's card. Needs only the
standard library. The times come from Benchmarks/results.json, the losses from Models/emoji32.log.jsonl. Colours are of
medium brightness without a background, so that they show on both light and dark pages.

    docs/drawings/draw.py [NAME…]    # all by default
"""
import html
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
TEXT, FAINT, LINE = "#768390", "#8b949e", "#8b949e"
RED, GREEN, BLUE = "#d4655c", "#53a165", "#5a86d6"
VERTICAL, HORIZONTAL, PIXEL, BLIND = "#8d6cc0", "#2f9c95", "#e0a030", "#d4655c"
COLORS = (("R", RED), ("G", GREEN), ("B", BLUE))


class Drawing:
    """An SVG under construction; sizes in pixels."""

    def __init__(self, name, width, height, title):
        self.name, self.width, self.height, self.title, self.parts = name, width, height, title, []

    def add(self, tag, content=None, **attributes):
        words = "".join(f' {key.replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items())
        self.parts.append(f"<{tag}{words}/>" if content is None else f"<{tag}{words}>{html.escape(content)}</{tag}>")

    def box(self, x, y, width, height, fill="none", stroke=LINE, opacity=1, radius=0):
        self.add("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, fill_opacity=opacity,
                 stroke=stroke)

    def text(self, x, y, words, size=13, anchor="start", color=TEXT, weight="normal"):
        for i, line in enumerate(words.split("\n")):
            self.add("text", line, x=x, y=y + i * size * 1.35, font_size=size, text_anchor=anchor, fill=color,
                     font_weight=weight)

    def arrow(self, *points, color=LINE):
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        self.add("path", d=path, fill="none", stroke=color, stroke_width=1.5, marker_end="url(#tip)")

    def node(self, x, y, words, color, width=96, height=30):
        """A box of the diagram, centred."""
        self.box(x - width / 2, y - height / 2, width, height, fill=color, opacity=0.25, stroke=color, radius=6)
        self.text(x, y + 4, words, anchor="middle")

    def cells(self, x, y, rows, columns, size, fill_of):
        """A grid; fill_of(row, column) gives a colour and an opacity, or None."""
        for row in range(rows):
            for column in range(columns):
                fill, opacity = fill_of(row, column) or ("none", 1)
                self.box(x + column * size, y + row * size, size, size, fill=fill, opacity=opacity)

    def write(self, folder):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}" font-family="system-ui, sans-serif" role="img">\n'
                f"<title>{html.escape(self.title)}</title>\n"
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                'orient="auto">'
                f'<path d="M0 0 L8 4 L0 8 Z" fill="{LINE}"/></marker></defs>\n')
        (folder / f"{self.name}.svg").write_text(head + "\n".join(self.parts) + "\n</svg>\n")


def masks():
    drawing = Drawing("masks", 760, 250, "Masks of type A and B, over positions and over colour groups")
    size, x, y = 22, 20, 50
    drawing.text(x, 22, "positions: a 7 × 7 kernel", weight="bold")
    drawing.cells(x, y, 7, 7, size, lambda row, column: (HORIZONTAL, 0.45) if (row, column) < (3, 3) else None)
    for i, (_, color) in enumerate(COLORS):
        drawing.box(x + 3 * size + i * size / 3, y + 3 * size, size / 3, size, fill=color, opacity=0.8)
    drawing.text(x, y + 7 * size + 20, "above and left: all colours; the centre: as the type says", 12)
    types = ((380, "type A, first layer", lambda o, i: i < o), (580, "type B, all others", lambda o, i: i <= o))
    for x, name, sees in types:
        size, y = 34, 92
        drawing.text(x - 20, 22, name, weight="bold")
        drawing.text(x + 1.5 * size, y - 30, "inputs at the centre", 12, "middle")
        for i, (letter, color) in enumerate(COLORS):
            drawing.text(x + (i + 0.5) * size, y - 8, letter, 13, "middle", color, "bold")
            drawing.text(x - 12, y + (i + 0.5) * size + 5, letter, 13, "middle", color, "bold")
        drawing.cells(x, y, 3, 3, size, lambda o, i: (COLORS[i][1], 0.6) if sees(o, i) else None)
        drawing.text(x + 3 * size + 8, y + 1.5 * size, "outputs", 12)
    return drawing


def stacks():
    drawing = Drawing("stacks", 760, 270, "What a pixel sees through one stack of masked convolutions, and through two")
    size, count, at = 17, 11, (6, 5)

    def one(row, column):
        up, right = at[0] - row, column - at[1]
        if up == 0:
            return (PIXEL, 1) if right == 0 else (HORIZONTAL, 0.5) if right < 0 else None
        if up < 0:
            return None
        return (HORIZONTAL, 0.5) if right <= up else (BLIND, 0.55)

    def two(row, column):
        if row < at[0]:
            return (VERTICAL, 0.5)
        if row == at[0] and column <= at[1]:
            return (PIXEL, 1) if column == at[1] else (HORIZONTAL, 0.6)
        return None

    drawing.text(20, 22, "one stack of masked convolutions", weight="bold")
    drawing.cells(20, 36, 9, count, size, one)
    drawing.text(20, 212, "A step to the right costs a row up, so a wedge\nof known pixels stays unseen, however deep\n"
                          "the network is: the blind spot.", 12)
    drawing.text(395, 22, "two stacks", weight="bold")
    drawing.cells(395, 36, 9, count, size, two)
    drawing.text(395, 212, "The vertical stack sees whole rows, the horizontal\n"
                           "stack what is left of the pixel; it adds what the\n"
                           "vertical one knows, never the reverse.", 12)
    for y, color, words in ((60, VERTICAL, "vertical stack"), (82, HORIZONTAL, "horizontal stack"),
                            (104, PIXEL, "the pixel"), (126, BLIND, "blind spot")):
        drawing.box(610, y - 11, 13, 13, fill=color, opacity=0.6)
        drawing.text(630, y, words, 12)
    return drawing


def block():
    drawing = Drawing("block", 760, 330, "A gated block: the vertical and the horizontal stack")
    left, right = 160, 470
    drawing.text(left, 24, "vertical stack, once per row", 13, "middle", VERTICAL, "bold")
    drawing.text(right, 24, "horizontal stack, once per pixel, colour by colour", 13, "middle", HORIZONTAL, "bold")
    nodes = {
        "v_conv": (left, 90, VERTICAL), "gate": (left, 200, VERTICAL), "v_norm": (left, 250, VERTICAL),
        "v1toh, v2toh": (left + 155, 135, VERTICAL), "h_conv": (right, 90, HORIZONTAL), "+": (right, 135, HORIZONTAL),
        "gate ": (right, 170, HORIZONTAL), "htoh": (right, 210, HORIZONTAL), " + ": (right, 250, HORIZONTAL),
        "h_norm": (right, 287, HORIZONTAL),
    }
    down = [((left, 40), (left, 74)), ((left, 106), (left, 184)), ((left, 216), (left, 234)),
            ((left, 266), (left, 322)), ((right, 40), (right, 74)), ((right, 106), (right, 122)),
            ((right, 148), (right, 154)), ((right, 186), (right, 194)), ((right, 226), (right, 237)),
            ((right, 263), (right, 271)), ((right, 303), (right, 322))]
    for start, end in down:
        drawing.arrow(start, end)
    drawing.arrow((left, 135), (left + 106, 135))
    drawing.arrow((left + 204, 135), (right - 22, 135))
    drawing.arrow((right, 56), (right + 105, 56), (right + 105, 250), (right + 22, 250))
    for name, (x, y, color) in nodes.items():
        words = {"gate": "tanh · σ", "gate ": "tanh · σ"}.get(name, name.strip())
        size = dict(width=42, height=26) if name.strip() == "+" else {}
        drawing.node(x, y, words, color, **size)
    for x, y, words in ((left - 8, 60, "v"), (left - 8, 130, "u = (u1, u2)"), (right - 8, 60, "h"),
                        (left - 8, 302, "v")):
        drawing.text(x, y, words, 12, "end")
    drawing.text(right + 113, 155, "residual", 12)
    drawing.text(right + 10, 318, "h", 12)
    return drawing


def cache():
    drawing = Drawing(
        "cache", 760, 300, "What is kept: four rows of pixels, two rows of each layer, two columns of each layer")
    size, columns, x = 14, 16, 20
    drawing.text(x, 22, "the image so far", weight="bold")
    at = (6, 6)

    def pixel(row, column):
        if (row, column) == at:
            return (PIXEL, 1)
        if (row, column) < at:
            return (PIXEL, 0.45) if row >= at[0] - 3 else (FAINT, 0.25)
        return None

    drawing.cells(x, 36, 10, columns, size, pixel)
    drawing.text(x, 200, "kept: the row and the three\nabove it (in_conv is 7 × 7)", 12)
    x = 290
    drawing.text(x, 22, "vertical stack, each block's input", weight="bold")
    for i, name in enumerate(("block 0", "block 1", "block 2", "…", "block 14")):
        y = 36 + i * 38
        if name == "…":
            drawing.text(x + columns * size / 2, y + 16, "…", 16, "middle")
            continue

        def strip(row, column):  # the current row of in_conv's output grows with the pixels
            if row == 1 and i == 0 and column > at[1]:
                return None
            return (VERTICAL, 0.25 if row == 0 else 0.6)

        drawing.cells(x, y, 2, columns, size, strip)
        drawing.text(x + columns * size + 6, y + 12, f"{name}, r − 1", 11)
        drawing.text(x + columns * size + 6, y + 26, "r", 11)
    x, y = 620, 36
    drawing.text(x, 22, "horizontal stack", weight="bold")
    for i in range(5):
        if i == 3:
            drawing.text(x + 20, y + i * 38 + 16, "…", 16, "middle")
            continue
        drawing.cells(x, y + i * 38, 1, 2, 20, lambda row, column: (HORIZONTAL, 0.35 if column == 0 else 0.8))
    drawing.text(x + 50, 50, "the column left\nand the pixel", 11)
    drawing.text(290, 240, "W × F floats per row. Older rows are never\n"
                           "read again: row r takes the place of row r − 2.", 12)
    drawing.text(620, 240, "F floats per column,\nshifted for each pixel", 12)
    return drawing


def passes():
    drawing = Drawing("passes", 760, 262, "Three passes use each weight of a masked layer once")
    size, y = 34, 70
    sees = lambda o, i: i <= o
    for step, (letter, color) in enumerate(COLORS):
        x = 40 + step * 150
        drawing.text(x - 10, 22, f"{letter}: pass {step + 1}", 13, "start", color, "bold")
        for i, (name, ink) in enumerate(COLORS):
            drawing.text(x + (i + 0.5) * size, y - 8, name, 12, "middle", ink)
            drawing.text(x - 9, y + (i + 0.5) * size + 4, name, 12, "middle", ink)

        def fill(o, i):
            if not sees(o, i):
                return None
            return (color, 0.75) if o == step else (FAINT, 0.12)

        drawing.cells(x, y, 3, 3, size, fill)
    drawing.text(40, 200, "Weights of a type B layer, rows: outputs, columns: inputs. Drawing the red value needs the "
                          "red\noutputs of every layer, then green the green ones, then blue: each weight is read "
                          "once per\npixel, and masked ones never.", 12)
    x = 540
    drawing.text(x - 10, 22, "the usual sampler", weight="bold")
    for i, (name, ink) in enumerate(COLORS):
        drawing.text(x + (i + 0.5) * size, y - 8, name, 12, "middle", ink)
        drawing.text(x - 9, y + (i + 0.5) * size + 4, name, 12, "middle", ink)
    drawing.cells(x, y, 3, 3, size, lambda o, i: (FAINT, 0.7))
    drawing.text(x + 3 * size + 10, y + 1.5 * size - 4, "three times, at\neach position", 12)
    return drawing


def time():
    phases = json.loads((HERE / "../../Benchmarks/results.json").read_text())["engine"]["phases"]
    drawing = Drawing("time", 760, 190, "Where the time of an image goes")
    names = (("vertical", VERTICAL), ("horizontal", HORIZONTAL), ("output", BLUE), ("draw", PIXEL))
    scale = 500 / max(sum(phase[name] for name, _ in names) / phase["images"] for phase in phases)
    for i, phase in enumerate(phases):
        x, y = 110, 20 + i * 58
        each = {name: phase[name] / phase["images"] for name, _ in names}
        drawing.text(x - 10, y + 24, "1 image" if phase["images"] == 1 else f"{phase['images']} images", 13, "end")
        for name, color in names:
            width = each[name] * scale
            drawing.box(round(x, 1), y, round(width, 1), 38, fill=color)
            if width > 50:
                drawing.text(round(x + width / 2, 1), y + 24, f"{each[name] * 1000:.1f} ms", 12, "middle", "#ffffff")
            x += width
        drawing.text(round(x + 10, 1), y + 24, f"{sum(each.values()) * 1000:.0f} ms per image", 12)
    for i, (name, color) in enumerate(names):
        drawing.box(110 + i * 130, 150, 13, 13, fill=color)
        drawing.text(130 + i * 130, 161, {"draw": "drawing", "output": "output layers"}.get(name, f"{name} stack"), 12)
    return drawing


def loss():
    lines = [json.loads(line) for line in (HERE / "../../Models/emoji32.log.jsonl").read_text().splitlines()]
    drawing = Drawing("loss", 760, 300, "Losses of the emoji model over its first 28 epochs, in bits per value")
    left, top, width, height = 60, 24, 560, 230
    curves = (("test_bits_per_dim", PIXEL, "emoji that it has not seen"),
              ("epoch_bits_per_dim", BLUE, "its training images"))
    least, most = 2.0, 4.0  # only the end of the first epochs is of interest
    last = max(line["epoch"] for line in lines)

    def at(epoch, bits):
        return round(left + width * epoch / last, 1), round(top + height * (most - min(bits, most)) / (most - least), 1)

    for tick in (2.0, 2.5, 3.0, 3.5, 4.0):
        y = at(0, tick)[1]
        drawing.add("path", d=f"M{left} {y} H{left + width}", stroke=LINE, stroke_width=0.5, stroke_opacity=0.5)
        drawing.text(left - 8, y + 4, f"{tick:.1f}", 12, "end")
    for epoch in range(0, last + 1, 5):
        drawing.text(at(epoch, least)[0], top + height + 18, str(epoch), 12, "middle")
    drawing.text(left + width / 2, top + height + 38, "epochs", 12, "middle")
    drawing.text(left, 14, "bits/dim", 12)
    for key, color, words in curves:
        points = [at(line["epoch"], line[key]) for line in lines if line[key] <= most]
        drawing.add("path", d="M" + " L".join(f"{x} {y}" for x, y in points), fill="none", stroke=color, stroke_width=2)
        for x, y in points:
            drawing.add("circle", cx=x, cy=y, r=2.5, fill=color)
        drawing.text(points[-1][0] + 8, points[-1][1] + 4, f"{lines[-1][key]:.2f}", 12, color=color)
    for i, (_, color, words) in enumerate(curves):
        drawing.box(left + 330, top + 14 + i * 22, 13, 13, fill=color)
        drawing.text(left + 350, top + 25 + i * 22, words, 12)
    return drawing


def main():
    drawings = {make.__name__: make for make in (masks, stacks, block, cache, passes, time, loss)}
    for name in sys.argv[1:] or drawings:
        drawings[name]().write(HERE)


if __name__ == "__main__":
    main()
