// Completing: a picture, cropped to the model's proportions in view, and a mask that is painted on it.

import { daemon } from "./api.js";
import { $, announce, notify } from "./dom.js";
import { cropOf, fit, readPictures, receive } from "./pictures.js";
import { shapeOf, showLarge } from "./pixels.js";
import { start } from "./runs.js";

const canvas = $("mask");
let picture = null;  // what is completed: {values, shape}, and with a bitmap what it comes from
let mask = null;  // (H, W): 1 where a pixel is kept
let undo = [];
let cursor = null;  // of the keyboard
let stroke = null;

receive("complete", $("complete-drop"), $("complete-file"), async (files) => {
  const [read] = await readPictures(files[0], daemon.model);
  edit(read);
});

daemon.addEventListener("model", ({ detail: { previous } }) => {
  if (picture && previous) edit(picture.bitmap ? { bitmap: picture.bitmap } : null);
});

/** Takes in a picture, or none. */
export function edit(given) {
  picture = given && { values: given.values, shape: given.shape, bitmap: given.bitmap };
  $("editor").hidden = !picture;
  if (!picture) return;
  $("crop").hidden = !picture.bitmap;
  if (picture.bitmap) {
    picture.shape = shapeOf(daemon.model);
    fitPicture();
  }
  $("brush-size").max = Math.max(1, Math.floor(Math.max(picture.shape.height, picture.shape.width) / 4));
  mask = new Uint8Array(picture.shape.height * picture.shape.width);
  undo = [];
  cursor = null;
  showPicture();
  showMask();
  announce("The picture is there. Paint what to keep.");
}

/** Scales the picture, and shows which part of it is used. */
function fitPicture() {
  const { bitmap, shape } = picture, crop = cropOf(bitmap, shape, $("crop-place").value / 100);
  picture.values = fit(bitmap, crop, shape);
  $("crop").hidden = bitmap.width === shape.width && bitmap.height === shape.height;
  const source = $("crop-source"), context = source.getContext("2d");
  const scale = 240 / Math.max(bitmap.width, bitmap.height), place = [crop.x, crop.y, crop.width, crop.height];
  source.width = Math.max(1, bitmap.width * scale);
  source.height = Math.max(1, bitmap.height * scale);
  context.globalAlpha = 0.3;
  context.drawImage(bitmap, 0, 0, source.width, source.height);
  context.globalAlpha = 1;
  context.drawImage(bitmap, ...place, ...place.map((side) => side * scale));
}

$("crop-place").oninput = () => {
  fitPicture();
  showPicture();
};

const showPicture = () => showLarge($("mask-stage"), $("mask-picture"), picture.values, picture.shape);

/** What is drawn anew lies under a veil; the keyboard's brush is shown. */
function showMask() {
  const { height, width } = picture.shape, veil = new ImageData(width, height);
  mask.forEach((isKept, i) => {
    const row = Math.floor(i / width), column = i % width;
    if (cursor && isWithin(cursor, row, column)) veil.data.set([240, 166, 60, 190], i * 4);
    else if (!isKept) veil.data.set([128, 128, 140, (row + column) % 2 ? 225 : 205], i * 4);
  });
  Object.assign(canvas, { width, height }).getContext("2d").putImageData(veil, 0, 0);
  const kept = mask.reduce((sum, isKept) => sum + isKept, 0);
  $("mask-undo").disabled = !undo.length;
  $("mask-help").textContent = kept
    ? `${Math.round(100 * kept / mask.length)} % is kept. A pixel depends on what is above it, and to its left.`
    : "Nothing is kept yet: paint over what to keep.";
}

const isWithin = (centre, row, column) =>
  Math.hypot(row - centre.row, column - centre.column) < $("brush-size").value / 2;

const remember = () => { undo.push(mask.slice()); };

function stamp(centre) {
  const { width } = picture.shape, value = Number(document.querySelector("[name=brush]:checked").value);
  mask.forEach((_, i) => { if (isWithin(centre, Math.floor(i / width), i % width)) mask[i] = value; });
}

/** Where a pointer is, in pixels of the image. */
function place(event) {
  const box = canvas.getBoundingClientRect(), { height, width } = picture.shape;
  return {
    row: (event.clientY - box.top) / box.height * height - 0.5,
    column: (event.clientX - box.left) / box.width * width - 0.5,
  };
}

canvas.onpointerdown = (event) => {
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  cursor = null;
  remember();
  stroke = place(event);
  stamp(stroke);
  showMask();
};
canvas.onpointermove = (event) => {
  if (!stroke) return;
  const end = place(event), steps = Math.ceil(Math.hypot(end.row - stroke.row, end.column - stroke.column) * 2);
  for (let i = 1; i <= steps; i++) {
    const part = i / steps;
    stamp({
      row: stroke.row + (end.row - stroke.row) * part, column: stroke.column + (end.column - stroke.column) * part,
    });
  }
  stroke = end;
  showMask();
};
canvas.onlostpointercapture = () => { stroke = null; };

const directions = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

canvas.onkeydown = (event) => {
  const { height, width } = picture.shape, direction = directions[event.key];
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) return undoLast();
  if (!direction && event.key !== " ") return;
  event.preventDefault();
  cursor ??= { row: height >> 1, column: width >> 1 };
  if (direction) {
    cursor.row = Math.min(Math.max(cursor.row + direction[0], 0), height - 1);
    cursor.column = Math.min(Math.max(cursor.column + direction[1], 0), width - 1);
  } else {
    remember();
    stamp(cursor);
  }
  showMask();
  const isKept = mask[cursor.row * width + cursor.column];
  announce(`Row ${cursor.row}, column ${cursor.column}: ${isKept ? "kept" : "drawn anew"}`);
};
canvas.onblur = () => {
  cursor = null;
  if (picture) showMask();
};

function undoLast() {
  mask = undo.pop() ?? mask;
  showMask();
}

$("mask-undo").onclick = undoLast;
const keep = (value) => () => { remember(); mask.fill(value); showMask(); };
$("mask-all").onclick = keep(1);
$("mask-none").onclick = keep(0);

/** Draws what is not kept, by the form's settings. */
export function run(settings) {
  if (!picture) return notify("Drop, paste or choose a picture first.");
  const { height, width } = picture.shape;
  start({
    ...settings, height, width, given: { values: picture.values, mask: mask.slice() }, title: "completed",
  }, $("complete-runs"));
}
