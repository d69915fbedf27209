// The page: its tabs, the model that is served, and the button.

import { daemon } from "./api.js";
import * as complete from "./complete.js";
import { $, attempt, count, notify } from "./dom.js";
import { start } from "./runs.js";
import * as settings from "./settings.js";
import * as status from "./status.js";
import "./viewer.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const nameOf = (tab) => tab.id.slice(4);

function select(name) {
  const chosen = tabs.find((tab) => nameOf(tab) === name) ?? tabs[0];
  document.body.dataset.tab = nameOf(chosen);
  for (const tab of tabs) {
    tab.ariaSelected = tab === chosen;
    tab.tabIndex = tab === chosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
  }
  settings.showFor(nameOf(chosen));
  status.update();
}

const steps = { ArrowLeft: -1, ArrowRight: 1 };

for (const [i, tab] of tabs.entries()) {
  tab.onclick = () => { location.hash = nameOf(tab); };
  tab.onkeydown = (event) => {
    const ends = { Home: tabs[0], End: tabs.at(-1) };
    const next = ends[event.key] ?? tabs[(i + steps[event.key] + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  };
}
addEventListener("hashchange", () => select(location.hash.slice(1)));

daemon.addEventListener("model", ({ detail: { model, previous } }) => {
  const name = model.file.split("/").at(-1);
  const size = `${model.height} × ${model.width}${model.size_assumed ? " (assumed)" : ""}`;
  const classes = model.labels > 1 ? ` · ${count(model.labels, "class", "classes")}` : "";
  $("model").textContent = `${name} · ${size}${classes}`;
  $("model").title = model.sha256;
  settings.offer(model);
  settings.showFor(document.body.dataset.tab);
  if (previous) notify(`The daemon serves another model now: ${name}. Images above are of the one before.`, "news");
});

$("settings").onsubmit = (event) => {
  event.preventDefault();
  const chosen = daemon.model && settings.read();
  if (!chosen) return;
  if (document.body.dataset.tab === "complete") return complete.run(chosen);
  start(chosen, $("draw-runs"));
};

select(location.hash.slice(1));
attempt(() => daemon.load({ onWait: (reason) => { $("model").textContent = reason; } }));
