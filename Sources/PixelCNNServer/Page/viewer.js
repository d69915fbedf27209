// An image large: where it comes from, its files, and a line across it, below which it is drawn again. What is above
// the line the daemon may know still, and then it computes none of it.

import { daemon, send } from "./api.js";
import * as complete from "./complete.js";
import { $, attempt, copy, fillList, save } from "./dom.js";
import { npy, paintHeat, showLarge } from "./pixels.js";
import { start } from "./runs.js";
import * as score from "./score.js";
import { chosenLabel, randomSeed, sampling } from "./settings.js";

const dialog = $("viewer"), stage = $("viewer-stage"), rows = $("again-rows");
let image = null;

document.addEventListener("show", ({ detail }) => {
  image = detail;
  const { shape, heat } = image;
  showLarge(stage, $("viewer-canvas"), image.values, shape);
  $("viewer-canvas").setAttribute("aria-label", image.name);
  $("viewer-heat").hidden = !heat;
  if (heat) paintHeat($("viewer-heat"), heat, shape.height, shape.width, score.brightest());
  $("viewer-title").textContent = image.name;
  fillList($("viewer-facts"), image.facts);
  $("viewer-command").hidden = $("save-png").hidden = !image.run;
  $("command").textContent = image.command ?? "";
  $("save-given").hidden = !image.given;
  $("save-mask").hidden = !image.given?.mask;
  rows.max = shape.height - 1;
  rows.value = Math.floor(shape.height / 2);
  moveLine();
  dialog.showModal();
});

function moveLine() {
  stage.style.setProperty("--line", `${100 * rows.value / image.shape.height}%`);
  $("line").title = rows.value;
  rows.setAttribute("aria-valuetext", `${rows.value} of ${image.shape.height} rows`);
}

function drag(event) {
  if (!event.buttons) return;
  const box = stage.getBoundingClientRect();
  rows.value = Math.round((event.clientY - box.top) / box.height * image.shape.height);
  moveLine();
}

stage.onpointerdown = (event) => { stage.setPointerCapture(event.pointerId); drag(event); };
stage.onpointermove = drag;
rows.oninput = moveLine;
$("viewer-close").onclick = () => dialog.close();
dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };

$("again").onsubmit = (event) => {
  event.preventDefault();
  if (!event.target.reportValidity()) return;
  const { shape, values, label } = image, kept = rows.valueAsNumber;
  dialog.close();
  location.hash = "draw";
  start({
    labels: [label ?? chosenLabel()], n: $("again-n").valueAsNumber, seed: randomSeed(), sampling: sampling(),
    height: shape.height, width: shape.width, given: { values, rows: kept }, title: `${kept} rows kept`,
  }, $("draw-runs"));
};

/** The daemon's own PNG, which says where it comes from: the bytes that the command writes. */
$("save-png").onclick = () => attempt(async () => {
  const { run, label, index, name } = image;
  const response = await send("v1/samples", {
    method: "POST", headers: { "Content-Type": "application/json", Accept: "image/png" },
    body: JSON.stringify(run.body(label, 1, index)),
  });
  if (daemon.model !== run.model) throw Error("The daemon serves another model now, which draws another image.");
  save(await response.blob(), `${name}.png`);
});

function saveNPY(values, name, { channels, height, width, colors }) {
  save(npy(values, channels ? [channels, height, width] : [height, width], colors), `${name}.npy`);
}

$("save-npy").onclick = () => saveNPY(image.values, image.name, image.shape);
$("save-given").onclick = () => saveNPY(image.given.values, "given", image.shape);
$("save-mask").onclick = () => saveNPY(image.given.mask, "mask", { ...image.shape, channels: 0, colors: 2 });
$("copy").onclick = () => attempt(async () => {
  await copy(image.command, $("command"));
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy the command"; }, 2000);
});
$("to-complete").onclick = () => {
  dialog.close();
  location.hash = "complete";
  complete.edit(image);
};
$("to-score").onclick = () => {
  dialog.close();
  location.hash = "score";
  attempt(() => score.add([{ name: image.name, values: image.values.slice(), shape: image.shape }]));
};
