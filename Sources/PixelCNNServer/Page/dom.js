// Elements, notices and files. Whatever comes from the daemon goes into the page as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** An element with properties or attributes, and children, of which strings become text. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** A button of an image {name, shape} that shows it large. */
export function tile(image, scale, ...canvases) {
  const made = element("button", { className: "tile", "aria-label": image.name }, ...canvases);
  made.style.setProperty("--width", `${image.shape.width * scale}px`);
  made.onclick = () => document.dispatchEvent(new CustomEvent("show", { detail: image }));
  return made;
}

/** Fills a description list with pairs of terms and values. */
export function fillList(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
}

/** Says something to people who do not see the page. */
export const announce = (text) => { $("live").textContent = text; };

/** Shows a notice until it is dismissed. */
export function notify(text, kind = "error") {
  const close = element("button", { className: "icon", "aria-label": "Dismiss" }, "×");
  const notice = element("div", { className: `notice ${kind}`, role: "alert" }, element("p", {}, text), close);
  close.onclick = () => notice.remove();
  $("notices").append(notice);
}

/** Runs what a person has started; what goes wrong is shown in its own words. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") notify(error.message);
  }
}

export function save(bytes, name) {
  const address = URL.createObjectURL(new Blob([bytes]));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copies text; browsers give a page without TLS no clipboard, but the older command. */
export async function copy(text, shownIn) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  getSelection().selectAllChildren(shownIn);
  if (!document.execCommand("copy")) throw Error("The browser does not let the page copy; copy the selected text.");
}

export const count = (n, noun, many = `${noun}s`) => `${n} ${n === 1 ? noun : many}`;
