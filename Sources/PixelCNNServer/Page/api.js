// The daemon's protocol: requests that wait for a busy daemon as the client does, event streams, problems in its words,
// and the model that is served, which a reload may change between any two responses.

const busyPatience = 300_000, absentPatience = 60_000;  // ms
const retriesOfStream = 5;

/** What is wrong; a patience where it will pass: of a daemon that is busy, or that restarts. */
class Problem extends Error {
  constructor(detail, status, retryAfter = 1) {
    super(detail);
    this.retryAfter = retryAfter;
    this.patience = { 0: absentPatience, 502: absentPatience, 429: busyPatience, 503: busyPatience }[status];
  }

  static async of(response) {
    const { status, statusText, headers } = response;
    const detail = headers.get("Content-Type")?.startsWith("application/problem+json")
      ? (await response.json()).detail
      : `The server responds with ${status} ${statusText}.`;
    return new Problem(detail, status, Number(headers.get("Retry-After")) || 1);
  }
}

const keyOf = ({ headers }) => headers.get("PixelCNN-Model") + headers.get("PixelCNN-Precision");

/** The daemon; a `model` event says that another one is served than before. */
class Daemon extends EventTarget {
  model = null;
  #key = null;

  async load(options) {
    const response = await send("v1/model", options), key = keyOf(response), model = await response.json();
    if (key === this.#key) return;
    this.#key = key;
    const previous = this.model;
    this.model = model;
    this.dispatchEvent(new CustomEvent("model", { detail: { model, previous } }));
  }

  /** Loads the description again where a response comes from another model. */
  async notice(response) {
    if (this.#key && response.headers.has("PixelCNN-Model") && keyOf(response) !== this.#key) await this.load();
  }
}

export const daemon = new Daemon();

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

/**
 * Sends a request until the daemon takes it; `daemon.model` is the one that responds afterwards. The pauses are a little
 * longer than it says, by chance, so that clients do not come back together.
 */
export async function send(path, { signal, onWait, ...options } = {}) {
  const start = Date.now();
  for (;;) {
    let problem;
    try {
      const response = await fetch(new URL(path, location.origin + location.pathname), { ...options, signal, cache: "no-store" });
      if (path !== "v1/model") await daemon.notice(response);
      if (response.ok) return response;
      problem = await Problem.of(response);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      problem = new Problem("The daemon does not respond.", 0);
    }
    const seconds = problem.retryAfter * (1 + Math.random() / 4);
    if (!(Date.now() + seconds * 1000 < start + problem.patience)) throw problem;
    onWait?.(problem.message);
    await pause(seconds, signal);
  }
}

/** The events of a stream, with their data parsed. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", name = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) yield { name, data: JSON.parse(line.slice(6)) };
    }
  }
}

/**
 * Draws images: `onEvent` gets every event, and the `done` event is returned. A stream that breaks is requested again;
 * the request names its seed, so the images are the same.
 */
export async function draw(body, { signal, onWait, onEvent }) {
  const options = {
    method: "POST", body: JSON.stringify({ ...body, stream_rows: true, format: "npy" }), signal, onWait,
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
  };
  const model = daemon.model;
  for (let retries = 0; ; retries++) {
    const response = await send("v1/samples", options);
    if (daemon.model !== model) {
      response.body.cancel();
      throw Error("The daemon serves another model now; draw again.");
    }
    try {
      for await (const { name, data } of events(response)) {
        if (name === "error") throw new Problem(data.detail, data.status);
        onEvent(name, data);
        if (name === "done") return data;
      }
    } catch (error) {
      if (error instanceof Problem ? !error.patience : error.name === "AbortError") throw error;
    }
    if (retries === retriesOfStream) throw Error("The stream of images broke again and again.");
    onWait?.("The stream broke; it is requested again.");
    await pause(1, signal);
  }
}
