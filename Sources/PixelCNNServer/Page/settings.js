// The form of what to draw, which Draw, Complete and Score share: each shows its own part of it.

import { $, element } from "./dom.js";

const form = $("settings"), label = form.elements.label;
let model = null;

export const className = (number, of = model) => of.label_names[number] ?? `class ${number}`;

/** Offers the model's classes and sizes. */
export function offer(described) {
  const isOther = model?.sha256 !== described.sha256;
  model = described;
  if (!isOther) return;
  label.replaceChildren(
    ...Array.from({ length: model.labels }, (_, i) => element("option", { value: i }, className(i))));
  if (model.labels > 1) label.append(element("option", { value: "all", id: "all-classes" }, "each of them"));
  $("class-field").toggleAttribute("hidden", model.labels < 2);
  const { height, width, top_k, n } = form.elements;
  height.value = model.height;
  width.value = model.width;
  height.max = width.max = model.limits.max_side;
  top_k.max = model.n_colors;
  n.max = Math.min(256, model.limits.max_images);
}

/** Shows the part of a tab. */
export function showFor(tab) {
  for (const part of form.querySelectorAll("[data-tabs]")) {
    part.hidden = part.disabled = !part.dataset.tabs.includes(tab);  // only what is seen is checked
  }
  const all = $("all-classes");
  if (all) all.disabled = tab === "score";
  if (tab === "score" && label.value === "all") label.value = 0;
  form.hidden = !form.dataset.tabs.includes(tab) || tab === "score" && model?.labels < 2;
  $("go").textContent = tab === "complete" ? "Complete" : "Draw";
}

/** The class to score by; nil where the model has no choice. */
export const chosenLabel = () => model.labels > 1 ? Number(label.value) : null;

export const randomSeed = () => `${Math.floor(Math.random() * 2 ** 53)}`;

/** What the form says; null where a field is wrong, which the browser then shows. */
export function read() {
  if (!form.reportValidity()) return null;
  const { n, seed, height, width } = form.elements;
  const isAll = label.value === "all";
  return {
    labels: model.labels < 2 ? [null] : isAll ? Array.from({ length: model.labels }, (_, i) => i) : [chosenLabel()],
    n: n.valueAsNumber, seed: seed.value || randomSeed(), sampling: sampling(),
    height: height.valueAsNumber, width: width.valueAsNumber,
  };
}

/** How values are drawn, without what is as usual. */
export function sampling() {
  const chosen = {}, { temperature, top_k, top_p } = form.elements;
  if (temperature.value && temperature.value !== "1") chosen.temperature = temperature.valueAsNumber;
  if (top_k.value) chosen.top_k = top_k.valueAsNumber;
  if (top_p.value) chosen.top_p = top_p.valueAsNumber;
  return chosen;
}
