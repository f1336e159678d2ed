// Owns making elements and writing numbers. What a server said goes in as text, never as markup.

/**
 * Make an element: `el("p", { class: "hint" }, "text", child)`. A property that begins with "on" is a listener, one that
 * is null or false is left out.
 */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((one) => one !== null && one !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

/** Say something to screen readers alone. */
export function say(text) {
  byId("said").textContent = text;
}

export function notes(texts, kind = "warning") {
  return texts.length ? el("ul", { class: `notes ${kind}` }, texts.map((text) => el("li", {}, text))) : null;
}

/** Return a disclosure whose body is made when it is first opened. */
export function disclosure(summary, make, properties = {}) {
  const made = el("details", properties, el("summary", {}, summary));
  made.addEventListener("toggle", () => made.open && made.childElementCount === 1 && made.append(make()), { once: true });
  return made;
}

export function option(value, text, isChosen = false) {
  return el("option", { value, selected: isChosen }, text);
}

export const count = (number) => number.toLocaleString("en");

/** Return a shape without its batch axis: "26×26×32"; a free axis is "?". */
export function sizes(shape) {
  if (!shape) return "not known";
  if (Array.isArray(shape[0])) return shape.map(sizes).join(", ");
  return shape.slice(1).map((axis) => axis ?? "?").join("×") || "1";
}

export function percent(value) {
  if (value === null) return "not finite";
  if (value > 0 && value < 0.0001) return "< 0.01 %";
  return `${(100 * value).toFixed(value > 0.999 && value < 1 ? 2 : 1)} %`.replace("100.00 %", "> 99.99 %");
}

/** Return a number with four digits that matter. */
export function short(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "not finite";
}

export function milliseconds(value) {
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;
}

export function bytes(value) {
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(value / 1e3))} kB`;
}
