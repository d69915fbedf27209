// What the daemon is doing, as `pixelcnn status --watch` shows it: asked for every two seconds while somebody looks.

import { daemon, send } from "./api.js";
import { $, fillList } from "./dom.js";

const interval = 2000;  // ms
let timer = null, last = -interval;

const isShown = () => document.body.dataset.tab === "status" && !document.hidden;

/** Starts or stops asking, as the tab and the window are shown or not. */
export function update() {
  clearTimeout(timer);
  if (isShown()) timer = setTimeout(poll, Math.max(0, last + interval - performance.now()));
}

document.addEventListener("visibilitychange", update);

async function poll() {
  last = performance.now();
  try {
    show(await (await send("v1/status", { onWait: absent })).json());
  } catch (error) {
    absent(error.message);
  }
  update();
}

const absent = (reason) => fillList($("status-facts"), [["state", reason]]);

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const rates = (images, values) => `${images.toFixed(2)} images/s, ${values.toFixed(0)} values/s`;

function uptime(seconds) {
  const days = Math.floor(seconds / 86400), clock = new Date(seconds * 1000).toISOString().slice(11, 19);
  return days ? `${days} d ${clock}` : clock;
}

function show(status) {
  const cache = status.prefix_cache;
  fillList($("status-facts"), [
    ["state", status.state],
    ["requests", `${status.requests_in_flight} in flight, ${status.requests_queued} queued`],
    ["images", `${status.images_in_flight} in flight, ${status.images_queued} queued`],
    ["completed", `${status.images_completed} images, ${status.values_drawn} values`],
    ["last minute", rates(status.images_per_second, status.values_per_second)],
    ["since start", rates(status.mean_images_per_second, status.mean_values_per_second)],
    ["threads", `${status.threads}, ${status.busy_threads.toFixed(1)} busy, ` +
      `${status.images_per_step.toFixed(1)} images per step`],
    ["first rows", cache.max_bytes
      ? `${megabytes(cache.bytes)} of ${megabytes(cache.max_bytes)} MB, ${cache.hits} images started below ` +
        `${cache.rows_saved} known rows`
      : "not remembered"],
    ["memory", `${megabytes(status.resident_bytes)} MB`],
    ["uptime", uptime(status.uptime_seconds)],
    ["daemon", `${status.version}, pid ${status.pid}`],
  ]);
}

daemon.addEventListener("model", ({ detail: { model } }) => fillList($("model-facts"), [
  ["file", model.file], ["network", model.network],
  ["images", `${model.channels} × ${model.height} × ${model.width} of ${model.n_colors} values` +
    (model.size_assumed ? ", a size that is assumed" : "")],
  ["classes", model.labels ? (model.label_names.join(", ") || String(model.labels)) : "none"],
  ["parameters", model.parameters.toLocaleString("en")],
  ["precision", `${model.precision}, ${model.instruction_set}`],
  ["SHA-256", model.sha256],
  ...model.warnings.map((warning) => ["warning", warning]),
]));
