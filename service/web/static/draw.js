// Owns drawing a picture by hand, for models of small grey inputs such as digits; it is sent as an ordinary PNG.

import { el } from "./dom.js";

const SIDE = 280;
const PEN = 24;
const INK_SHARE = 20 / 28; // MNIST's digits: 20 pixels of 28, their centre of mass in the middle
const SMALL = 40;
const INKS = { light: ["#fff", "#000"], dark: ["#000", "#fff"] };

/** Return whether a model is one to draw for: grey, and small. */
export function isForDrawing(card) {
  const inputs = (card?.inputs ?? []).map((one) => one.preprocessing);
  return inputs.length > 0 && inputs.every((said) => said?.color.value === "grayscale" && said.size.value.every(isSmall));
}

const isSmall = (side) => side !== null && side <= SMALL;

export class Drawing {
  /** `onDrawn` is given a PNG as a Blob whenever the pen is lifted; `onCleared` is called when it is wiped away. */
  constructor(root, { onDrawn, onCleared }) {
    this.onDrawn = onDrawn;
    this.onCleared = onCleared;
    this.strokes = [];
    this.canvas = el("canvas", { width: SIDE, height: SIDE, class: "pad", role: "img", "aria-label": "Drawing area; needs a mouse, a pen or a finger" });
    this.ink = el("select", { id: "draw-ink", onchange: () => this.#changed() });
    this.ink.append(new Option("light on dark", "light"), new Option("dark on light", "dark"));
    this.centred = el("input", { type: "checkbox", id: "draw-centred", checked: true, onchange: () => this.#changed() });
    root.append(
      this.canvas,
      el("div", { class: "row" },
        el("label", { for: "draw-ink" }, "Ink"), this.ink,
        el("label", { class: "check" }, this.centred, "centre it"),
        el("button", { type: "button", onclick: () => this.#wipe() }, "Clear")),
    );
    this.canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.#go(event));
    for (const kind of ["pointerup", "pointercancel"]) this.canvas.addEventListener(kind, () => this.#end());
    this.clear();
  }

  /** Take the ink of the pictures that a model is posted: those it inverts are dark on light. */
  fit(card) {
    this.ink.value = card.inputs[0].preprocessing.invert.value ? "dark" : "light";
    this.#draw();
  }

  clear() {
    this.strokes = [];
    this.#draw();
  }

  #wipe() {
    this.clear();
    this.onCleared();
  }

  #begin(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.#place(event)]);
    this.isDown = true;
    this.#draw();
  }

  #go(event) {
    if (!this.isDown) return;
    this.strokes.at(-1).push(this.#place(event));
    this.#draw();
  }

  #end() {
    if (!this.isDown) return;
    this.isDown = false;
    this.#changed();
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  }

  #changed() {
    this.#draw();
    if (!this.strokes.length) return;
    const sent = el("canvas", { width: SIDE, height: SIDE });
    paint(sent, this.strokes, INKS[this.ink.value], this.centred.checked ? centring(this.strokes) : null);
    sent.toBlob((blob) => this.onDrawn(blob), "image/png");
  }

  #draw() {
    paint(this.canvas, this.strokes, INKS[this.ink.value], null);
  }
}

function paint(canvas, strokes, [ink, ground], transform) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = ground;
  context.fillRect(0, 0, SIDE, SIDE);
  if (transform) context.setTransform(...transform);
  Object.assign(context, { strokeStyle: ink, lineWidth: PEN / (transform?.[0] ?? 1), lineCap: "round", lineJoin: "round" });
  for (const [first, ...rest] of strokes) {
    context.beginPath();
    context.moveTo(...first);
    for (const point of rest.length ? rest : [first]) context.lineTo(...point);
    context.stroke();
  }
}

/** Return the transform that gives strokes the size and the place of MNIST's digits; by length, as mass is the ink's. */
function centring(strokes) {
  const points = strokes.flat();
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const longer = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  const scale = Math.min(4, (SIDE * INK_SHARE - PEN) / Math.max(longer, PEN));
  const [x, y] = centreOf(strokes);
  return [scale, 0, 0, scale, SIDE / 2 - scale * x, SIDE / 2 - scale * y];
}

function centreOf(strokes) {
  let [mass, x, y] = [0, 0, 0];
  for (const stroke of strokes) {
    for (let index = 1; index < stroke.length; index += 1) {
      const [[fromX, fromY], [toX, toY]] = [stroke[index - 1], stroke[index]];
      const length = Math.hypot(toX - fromX, toY - fromY);
      mass += length;
      x += (length * (fromX + toX)) / 2;
      y += (length * (fromY + toY)) / 2;
    }
  }
  return mass ? [x / mass, y / mass] : strokes[0][0];
}
