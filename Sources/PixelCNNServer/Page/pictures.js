// What people drop, paste or choose: pictures, cropped to the model's size, and NPY arrays, taken as they are.

import { attempt } from "./dom.js";
import { isPicture, parseNPY, shapeOf, valueOfLevel } from "./pixels.js";

/** Calls `take` with files that come in while `tab` shows. */
export function receive(tab, zone, input, take) {
  const receiveAll = ({ files }) => { if (files.length) attempt(() => take([...files])); };
  input.onchange = () => { receiveAll(input); input.value = ""; };
  for (const kind of ["dragover", "dragleave", "drop", "paste"]) {
    addEventListener(kind, (event) => {
      if (kind !== "paste") event.preventDefault();  // the browser would go to what is dropped, wherever that is
      zone.classList.toggle("aimed", kind === "dragover");
      if (document.body.dataset.tab !== tab) return;
      if (kind === "drop" || kind === "paste") receiveAll(event.dataTransfer ?? event.clipboardData);
    });
  }
}

/** The pictures of a file: {name, bitmap}, or {name, values, shape} of each image of an array. */
export async function readPictures(file, model) {
  const bytes = new Uint8Array(await file.slice(0, 6).arrayBuffer());
  if (bytes[0] === 0x93) {
    const array = parseNPY(new Uint8Array(await file.arrayBuffer()));
    return imagesOf(array, model).map((image, i, all) => (
      { ...image, name: all.length > 1 ? `${file.name} [${i}]` : file.name }));
  }
  if (!isPicture(shapeOf(model))) {
    throw Error(`No picture holds ${model.channels} channels of ${model.n_colors} values; give an NPY array.`);
  }
  try {
    return [{ name: file.name, bitmap: await createImageBitmap(file, { colorSpaceConversion: "none" }) }];
  } catch {
    throw Error(`${file.name} is no picture that the browser can read.`);
  }
}

function imagesOf({ shape: sizes, values }, model) {
  const [height, width] = sizes.slice(-2), [n, channels] = sizes.length === 4 ? sizes : [1, sizes.at(-3) ?? 1];
  if (sizes.length < 2 || sizes.length > 4 || channels !== model.channels) {
    throw Error(`The array's shape is (${sizes.join(", ")}); an image of the model is ` +
      `(${model.channels}, ${model.height}, ${model.width}).`);
  }
  const size = channels * height * width;
  const numbers = Uint16Array.from(values, Number);
  if (values.some((value, i) => Number(value) !== numbers[i] || numbers[i] >= model.n_colors)) {
    throw Error(`The array's values must be integers 0 … ${model.n_colors - 1}.`);
  }
  return Array.from({ length: n }, (_, i) => (
    { values: numbers.slice(i * size, (i + 1) * size), shape: { ...shapeOf(model), height, width } }));
}

/** The part of a picture that is used: as much as has the shape's proportions, at 0 … 1 of the rest. */
export function cropOf(bitmap, shape, place = 0.5) {
  const scale = Math.min(bitmap.width / shape.width, bitmap.height / shape.height);
  const [width, height] = [shape.width * scale, shape.height * scale];
  return { x: (bitmap.width - width) * place, y: (bitmap.height - height) * place, width, height };
}

/** A part of a picture as values of the shape; what is transparent is white. */
export function fit(bitmap, crop, shape) {
  const { channels, height, width, colors } = shape, plane = height * width;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = crop.width !== width || crop.height !== height;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, crop.x, crop.y, crop.width, crop.height, 0, 0, width, height);
  const levels = context.getImageData(0, 0, width, height).data, values = new Uint16Array(channels * plane);
  for (let i = 0; i < plane; i++) {
    const [red, green, blue] = levels.subarray(i * 4, i * 4 + 3);
    const found = channels === 3 ? [red, green, blue] : [Math.round(0.299 * red + 0.587 * green + 0.114 * blue)];
    found.forEach((level, c) => { values[c * plane + i] = valueOfLevel(level, colors); });
  }
  return values;
}
