// Images that are drawn together, row by row, by a request, or by one per class.

import { daemon, draw } from "./api.js";
import { announce, count, element, tile } from "./dom.js";
import {
  fromBase64, isPicture, npy, paint, parseNPY, rowValues, scaleFor, shapeOf, toBase64, valuesOf,
} from "./pixels.js";
import { className } from "./settings.js";

/** As a shell takes it. */
const word = (text) => /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Starts a run, shown first in `place`. The recipe is {labels, n, seed, sampling, height, width, given, title}; `given`
 * is {values, rows} or {values, mask}.
 */
export function start(recipe, place) {
  const run = new Run(recipe);
  place.prepend(run.section);
  run.section.scrollIntoView({ block: "nearest" });
  run.draw();
}

class Run {
  #recipe;
  #cancelling = new AbortController();
  #note = element("p", { className: "note quiet" });
  #bar = element("progress", { max: 1, value: 0, "aria-label": "Progress" });
  #button = element("button", {}, "Cancel");

  constructor(recipe) {
    this.#recipe = recipe;
    this.model = daemon.model;
    this.shape = { ...shapeOf(this.model), height: recipe.height, width: recipe.width };
    const number = recipe.labels.length * recipe.n;
    const scale = scaleFor(number <= 4 ? 192 : number <= 16 ? 128 : 96, this.shape);
    this.parts = recipe.labels.map((label) => ({
      label, done: 0,
      images: Array.from({ length: recipe.n }, (_, index) => new DrawnImage(this, label, index, scale)),
    }));
    this.images = this.parts.flatMap((part) => part.images);
    this.section = this.#makeSection();
  }

  #makeSection() {
    const { labels, title } = this.#recipe, isSplit = labels.length > 1;
    const name = isSplit || labels[0] === null ? count(this.images.length, "image") : className(labels[0], this.model);
    const head = title ? `${name}, ${title}` : name;
    const section = element("section", { className: "run", "aria-label": head },
      element("header", { className: "row between" },
        element("div", {}, element("h2", {}, head),
          element("p", { className: "quiet" }, this.#settings.map((pair) => pair.join(" ")).join(" · "))),
        element("div", { className: "row" }, this.#note, this.#bar, this.#button)));
    for (const { label, images } of this.parts) {
      if (isSplit) section.append(element("h3", {}, className(label, this.model)));
      section.append(element("div", { className: "grid" }, ...images.map((image) => image.tile)));
    }
    this.#button.onclick = () => {
      this.#cancelling.abort();
      if (this.#bar.hidden) section.remove();
    };
    return section;
  }

  /** Pairs of names, as the client has them, and values. */
  get #settings() {
    const { seed, sampling } = this.#recipe;
    return [["seed", seed], ...Object.entries(sampling).map(([name, value]) => [name.replace("_", "-"), `${value}`])];
  }

  get given() { return this.#recipe.given; }

  /** The request for `n` images of a class. */
  body(label, n = this.#recipe.n, index = 0) {
    const { seed, sampling, height, width } = this.#recipe, { channels, colors } = this.shape;
    const body = { n, seed, first_index: index, height, width, ...sampling };
    if (label !== null) body.label = label;
    if (this.given) {
      const { values, rows, mask } = this.given;
      body.given = { image: toBase64(npy(values, [channels, height, width], colors)) };
      if (mask) body.given.mask = toBase64(npy(mask, [height, width]));
      else body.given.rows = rows;
    }
    return body;
  }

  async draw() {
    const start = performance.now(), total = count(this.images.length, "image");
    announce(`Drawing ${total}`);
    try {
      const ends = await Promise.all(this.parts.map((part) => draw(this.body(part.label), {
        signal: this.#cancelling.signal,
        onWait: (reason) => { this.#note.textContent = `${reason} Waiting …`; },
        onEvent: (name, data) => this.#take(part, name, data, start),
      })));
      const seconds = (performance.now() - start) / 1000;
      const known = ends.reduce((sum, end) => sum + (end.rows_known ?? 0), 0);
      const kept = this.given?.rows ? `${known} of ${this.images.length * this.given.rows} kept rows were known · ` : "";
      this.#end(`${kept}${total} in ${seconds.toFixed(1)} s · ${(this.images.length / seconds).toFixed(1)} images/s`);
    } catch (error) {
      this.#cancelling.abort();
      const done = this.images.filter((image) => image.isDone).length;
      if (error.name === "AbortError") return this.#end(`Cancelled: ${done} of ${total}`);
      this.#note.className = "note wrong";
      this.#end(error.message);
    }
  }

  #take(part, name, data, start) {
    if (name === "row") return part.images[data.index].takeRow(data);
    if (name === "image") return part.images[data.index].take(parseNPY(fromBase64(data.npy)).values);
    if (name !== "progress") return;
    part.done = data.done / data.total;
    const done = this.parts.reduce((sum, { done }) => sum + done, 0) / this.parts.length;
    const rate = done * this.images.length / (performance.now() - start) * 1000;
    this.#bar.value = done;
    this.#note.textContent = `${rate.toFixed(1)} images/s`;
  }

  #end(text) {
    this.#note.textContent = text;
    announce(text);
    this.#bar.hidden = true;
    this.#button.className = "icon";
    this.#button.textContent = "×";
    this.#button.setAttribute("aria-label", "Remove these images");
    for (const image of this.images) image.tile.classList.toggle("partial", !image.isDone);
  }

  /** The command that draws an image again. */
  command(image) {
    const { model, shape, given } = this, words = ["pixelcnn"];
    if (given) words.push("complete", given.mask ? "--mask mask.npy" : `--rows ${given.rows}`, "given.npy");
    else words.push("sample");
    for (const side of ["height", "width"]) {
      if (!given && shape[side] !== model[side]) words.push(`--${side} ${shape[side]}`);
    }
    for (const [name, value] of this.#settings) words.push(`--${name} ${value}`);
    if (image.index) words.push(`--first-index ${image.index}`);
    if (image.label !== null) words.push(`--label ${word(model.label_names[image.label] ?? `${image.label}`)}`);
    if (!isPicture(shape)) words.push("-o codes.npy");
    return words.join(" ");
  }

  facts(image) {
    return [...this.#settings, ["index", `${image.index}`], ["size", `${this.shape.height} × ${this.shape.width}`]];
  }
}

/** An image of a run, and its tile. */
class DrawnImage {
  isDone = false;

  constructor(run, label, index, scale) {
    this.run = run;
    this.label = label;
    this.index = index;
    this.shape = run.shape;
    this.values = new Uint16Array(valuesOf(run.shape));
    this.canvas = element("canvas", { className: "pixels", width: this.shape.width, height: this.shape.height });
    this.name = `Image ${index}${label === null ? "" : `, ${className(label, run.model)}`}`;
    this.tile = tile(this, scale, this.canvas);
  }

  get command() { return this.run.command(this); }
  get facts() { return this.run.facts(this); }
  get given() { return this.run.given; }

  takeRow(event) {
    const { channels, height, width } = this.shape, row = rowValues(event);
    for (let c = 0; c < channels; c++) {
      this.values.set(row.subarray(c * width, (c + 1) * width), (c * height + event.row) * width);
    }
    paint(this.canvas, this.values, this.shape, event.row, event.row + 1);
  }

  take(values) {
    this.values.set(values);
    this.isDone = true;
    paint(this.canvas, this.values, this.shape);
  }
}
