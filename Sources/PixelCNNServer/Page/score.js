// Scoring: bits per dimension of pictures, the best predicted first, and a heat map of nats per pixel over each.

import { daemon, send } from "./api.js";
import { $, announce, attempt, count, element, tile } from "./dom.js";
import { cropOf, fit, readPictures, receive } from "./pictures.js";
import { npy, paint, paintHeat, parseNPY, scaleFor, shapeOf, valuesOf } from "./pixels.js";
import { chosenLabel, className } from "./settings.js";

let items = [], last = Promise.resolve();

receive("score", $("score-drop"), $("score-file"), async (files) => {
  const read = (await Promise.all(files.map((file) => readPictures(file, daemon.model)))).flat();
  await add(read.map(({ name, bitmap, values, shape }) => {
    if (!bitmap) return { name, values, shape };
    const own = shapeOf(daemon.model);
    return { name, values: fit(bitmap, cropOf(bitmap, own), own), shape: own };
  }));
});

$("settings").elements.label.addEventListener("change", () => {
  if (document.body.dataset.tab === "score" && items.length) attempt(() => add([]));
});
daemon.addEventListener("model", clear);
$("score-clear").onclick = clear;
$("heat").oninput = () => document.body.style.setProperty("--heat", $("heat").value / 100);

function clear() {
  items = [];
  show();
}

/** Scores images {name, values, shape} together with those that are there, one call after the other. */
export const add = (images) => last = last.catch(() => {}).then(() => scoreAll(images));

async function scoreAll(images) {
  const all = [...items, ...images], label = chosenLabel();
  announce(`Scoring ${count(all.length, "image")}`);
  $("score-results").setAttribute("aria-busy", "true");
  try {
    for (const group of Object.values(Object.groupBy(all, ({ shape }) => `${shape.height} × ${shape.width}`))) {
      const scores = await score(group, label), size = valuesOf(group[0].shape);
      group.forEach((item, i) => rate(item, scores.subarray(i * size, (i + 1) * size), label));
    }
  } finally {
    $("score-results").setAttribute("aria-busy", "false");
  }
  items = all.sort((a, b) => a.bits - b.bits);
  show();
  announce($("score-summary").textContent);
}

/** The log-probabilities of images of one size, in nats. */
async function score(group, label) {
  const { shape } = group[0], size = valuesOf(shape), values = new Uint16Array(group.length * size);
  group.forEach((item, i) => values.set(item.values, i * size));
  const response = await send(`v1/score${label === null ? "" : `?label=${label}`}`, {
    method: "POST", headers: { "Content-Type": "application/x-npy", Accept: "application/x-npy" },
    body: npy(values, [group.length, shape.channels, shape.height, shape.width], shape.colors),
    onWait: (reason) => { $("score-summary").textContent = `${reason} Waiting …`; },
  });
  return parseNPY(new Uint8Array(await response.arrayBuffer())).values;
}

function rate(item, scores, label) {
  const { channels, height, width } = item.shape, plane = height * width;
  item.bits = -scores.reduce((sum, value) => sum + value, 0) / scores.length / Math.LN2;
  item.heat = Float32Array.from({ length: plane }, (_, i) => {
    let nats = 0;
    for (let c = 0; c < channels; c++) nats -= scores[c * plane + i];
    return nats;
  });
  const most = item.heat.reduce((place, value, i) => value > item.heat[place] ? i : place, 0);
  item.facts = [
    ["bits/dim", item.bits.toFixed(3)], ...label === null ? [] : [["class", className(label)]],
    ["most surprising", `row ${Math.floor(most / width)}, column ${most % width}: ${item.heat[most].toFixed(1)} nats`],
  ];
}

/** What is shown brightest, in nats: all but one in a hundred pixels are below. */
export function brightest() {
  const all = items.flatMap((item) => [...item.heat]).sort((a, b) => a - b);
  return all[Math.floor(all.length * 0.99)] || 1;
}

function show() {
  $("score-results").hidden = !items.length;
  if (!items.length) return $("scores").replaceChildren();
  const most = brightest(), mean = items.reduce((sum, item) => sum + item.bits, 0) / items.length;
  $("score-summary").textContent =
    `${count(items.length, "image")}, ${mean.toFixed(3)} bits/dim on average. The best predicted come first.`;
  $("legend-most").textContent = `${most.toFixed(1)} nats`;
  paintHeat($("legend"), Array.from({ length: 64 }, (_, i) => i), 1, 64, 63);
  $("scores").replaceChildren(...items.map((item) => {
    const picture = element("canvas", { className: "pixels" }), heat = element("canvas", { className: "pixels over" });
    paint(picture, item.values, item.shape);
    paintHeat(heat, item.heat, item.shape.height, item.shape.width, most);
    const words = `${item.bits.toFixed(3)} bits/dim`;
    return element("li", {}, tile(item, scaleFor(128, item.shape), picture, heat), element("p", { className: "caption" }, element("b", {}, words), item.name));
  }));
}
