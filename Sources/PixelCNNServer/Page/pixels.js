// Images, values 0 … d − 1 in the order (C, H, W), on canvases and in files. A canvas shows each value's level as a PNG
// of the daemon does; codes, which no PNG shows, get a colour each.

/** A shape is {channels, height, width, colors}; this is the model's. */
export const shapeOf = (model) => (
  { channels: model.channels, height: model.height, width: model.width, colors: model.n_colors });

export const valuesOf = (shape) => shape.channels * shape.height * shape.width;

export const isPicture = (shape) => (shape.channels === 1 || shape.channels === 3) && shape.colors <= 256;

const level = (value, colors) => Math.floor((2 * 255 * value + colors - 1) / (2 * (colors - 1)));
export const valueOfLevel = (level, colors) => Math.floor((2 * (colors - 1) * level + 255) / (2 * 255));

/** Shows rows of an image, all by default; the canvas gets its size. */
export function paint(canvas, values, shape, first = 0, end = shape.height) {
  const { channels, height, width, colors } = shape, context = canvas.getContext("2d");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const data = new ImageData(width, end - first), isShown = isPicture(shape);
  for (let i = first * width; i < end * width; i++) {
    if (!isShown) {  // the first channel's codes; neighbours get distant hues
      context.fillStyle = `hsl(${values[i] * 137.5} 55% ${40 + values[i] % 7 * 6}%)`;
      context.fillRect(i % width, Math.floor(i / width), 1, 1);
      continue;
    }
    const at = (c) => level(values[channels === 3 ? c * height * width + i : i], colors);
    data.data.set([at(0), at(1), at(2), 255], (i - first * width) * 4);
  }
  if (isShown) context.putImageData(data, 0, first);
}

/** How many times an image fits into so many pixels: pixels stay squares. */
export const scaleFor = (room, { height, width }) => Math.max(1, Math.floor(room / Math.max(height, width)));

/** Shows an image as large as there is room. */
export function showLarge(stage, canvas, values, shape) {
  const room = Math.min(448, document.documentElement.clientWidth - 56);
  stage.style.setProperty("--width", `${shape.width * scaleFor(room, shape)}px`);
  paint(canvas, values, shape);
}

const heatStops = [[24, 15, 61], [114, 31, 129], [205, 64, 113], [253, 159, 108], [252, 253, 191]];

/** Shows numbers (H, W) as colours, `most` as the brightest; the lower, the more is seen of what lies under them. */
export function paintHeat(canvas, numbers, height, width, most) {
  Object.assign(canvas, { width, height });
  const data = new ImageData(width, height), last = heatStops.length - 1;
  numbers.forEach((number, i) => {
    const part = Math.min(Math.max(number / most, 0), 1), low = Math.min(Math.floor(part * last), last - 1);
    const mix = (c) => heatStops[low][c] + (heatStops[low + 1][c] - heatStops[low][c]) * (part * last - low);
    data.data.set([mix(0), mix(1), mix(2), 255 * Math.sqrt(part)], i * 4);
  });
  canvas.getContext("2d").putImageData(data, 0, 0);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

export function toBase64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** A row's values as an event has them. */
export function rowValues(event) {
  const bytes = fromBase64(event.values);
  return event.dtype === "<u2" ? new Uint16Array(bytes.buffer) : bytes;
}

const arrays = {
  "|u1": Uint8Array, "<u2": Uint16Array, "<i4": Int32Array, "<i8": BigInt64Array, "<f4": Float32Array,
};

/** The shape and the values of an NPY file. */
export function parseNPY(bytes) {
  const text = new TextDecoder("latin1");
  if (text.decode(bytes.subarray(1, 6)) !== "NUMPY") throw Error("This is no NPY array.");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = bytes[6] === 1 ? 10 : 12;
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = text.decode(bytes.subarray(start, start + length));
  const type = /'descr': *'([^']+)'/.exec(header)?.[1], shape = /'shape': *\(([^)]*)\)/.exec(header)?.[1];
  const kind = arrays[type];
  if (!kind || !/'fortran_order': *False/.test(header)) {
    throw Error(`The page reads NPY arrays of ${Object.keys(arrays).join(", ")} in C order; pixelcnn reads others.`);
  }
  const sizes = shape.split(",").map((size) => size.trim()).filter(Boolean).map(Number);
  const number = sizes.reduce((product, size) => product * size, 1);
  if (bytes.length < start + length + number * kind.BYTES_PER_ELEMENT) throw Error("The NPY array is cut short.");
  return { shape: sizes, values: new kind(bytes.slice(start + length).buffer, 0, number) };
}

/** An NPY file of values below `colors`. */
export function npy(values, sizes, colors = 256) {
  const type = colors <= 256 ? "|u1" : "<u2";
  let header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes.join(", ")},), }`;
  header = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const file = new Uint8Array(10 + header.length + values.length * (colors <= 256 ? 1 : 2));
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(new Uint8Array((colors <= 256 ? Uint8Array : Uint16Array).from(values).buffer), 10 + header.length);
  return file;
}
