// Owns the heat map: which parts of the picture speak for a class, laid over what the model saw.

import { isAbort } from "./api.js";
import { refusal } from "./answer.js";
import { HEAT, drawLegend, shade } from "./colours.js";
import { el, milliseconds, notes, option, percent, short } from "./dom.js";

const METHODS = { "": "best for this model", "grad-cam": "Grad-CAM", occlusion: "occlusion" };

export class WhyView {
  /** `onAsked` is told the address that was asked. */
  constructor(root, api, { onAsked }) {
    Object.assign(this, { api, onAsked, look: null, isOn: false });
    this.classes = el("select", { id: "why-class", onchange: () => this.#ask() });
    this.method = el("select", { id: "why-method", onchange: () => this.#ask() });
    this.method.append(...Object.entries(METHODS).map(([value, text]) => option(value, text)));
    this.opacity = el("input", { type: "range", id: "why-opacity", min: 0, max: 100, value: 60, oninput: () => this.#fade() });
    this.start = el("button", { type: "button", class: "primary", onclick: () => this.#switchOn() }, "Show the heat map");
    this.controls = el("div", { class: "row controls", hidden: true },
      el("p", { class: "field" }, el("label", { for: "why-class" }, "Speaks for"), this.classes),
      el("p", { class: "field" }, el("label", { for: "why-method" }, "Method"), this.method));
    this.shown = el("div", { "aria-live": "polite" });
    this.most = el("span", { class: "most" });
    this.scale = el("div", { class: "row scale", hidden: true }, legend(this.most), el("label", { for: "why-opacity" }, "Opacity"), this.opacity);
    root.append(this.start, this.controls, this.shown, this.scale);
  }

  /** Take what is looked at: { model, picture, sights, signal }, the picture with its answer. */
  show(look) {
    this.look = look;
    this.classes.replaceChildren(...classesOf(look));
    this.shown.replaceChildren();
    this.scale.hidden = true;
    if (this.isOn) this.#ask();
  }

  #switchOn() {
    this.isOn = true;
    this.start.hidden = true;
    this.controls.hidden = false;
    this.#ask();
    this.classes.focus();
  }

  async #ask() {
    if (!this.look) return; // it asks when there is something to look at
    const { model, picture, sights, signal } = this.look;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const path = `${model.path}/explain?${this.#query()}`;
    this.onAsked(path);
    this.shown.setAttribute("aria-busy", "true");
    if (!this.shown.firstChild) this.shown.append(el("p", { class: "hint" }, "Asking…"));
    const began = performance.now();
    try {
      const answer = await (await this.api.post(path, picture, { signal })).json();
      if (turn === this.turn) this.#draw(answer, sights, performance.now() - began);
    } catch (error) {
      if (!isAbort(error) && turn === this.turn) this.shown.replaceChildren(refusal(error));
    } finally {
      this.shown.removeAttribute("aria-busy");
    }
  }

  #query() {
    const [output, wanted] = JSON.parse(this.classes.value);
    const query = new URLSearchParams({ class: wanted });
    if (output !== null) query.set("output", output);
    if (this.method.value) query.set("method", this.method.value);
    return query;
  }

  #draw(answer, sights, total) {
    const most = Math.max(0, ...answer.tensors.map((one) => one.maximum ?? 0));
    const figures = answer.tensors.map((one) => this.#figure(one, most, sights));
    const passes = answer.passes === 1 ? "1 pass" : `${answer.passes} passes`;
    const told = `${METHODS[answer.method] ?? answer.method}, ${passes} through the model, ${milliseconds(total)}.`;
    this.shown.replaceChildren(
      el("p", { class: "hint told" }, `${said(answer.class)} ${told}`),
      el("div", { class: "figures" }, figures),
      notes(answer.warnings) ?? "");
    this.most.textContent = short(most);
    this.scale.hidden = false;
    this.#fade();
  }

  #figure(tensor, most, sights) {
    const sight = sights.find((one) => one.name === tensor.name);
    const heat = el("canvas", { class: "heat", "aria-hidden": "true" });
    paint(heat, tensor, most);
    const frame = sight ? sight.draw(`Heat map over ${tensor.name}`) : el("span", { class: "frame" });
    frame.insertBefore(heat, frame.lastChild);
    const said = sights.length > 1 ? el("figcaption", {}, tensor.name, el("small", {}, ` · at most ${short(tensor.maximum)}`)) : null;
    return el("figure", {}, frame, said);
  }

  #fade() {
    for (const heat of this.shown.querySelectorAll(".heat")) heat.style.opacity = this.opacity.value / 100;
  }
}

/** Return an option for each class of each output, those of the answer's best being chosen. */
function classesOf({ model, picture }) {
  const { outputs } = model.card;
  const { prediction } = picture.answer;
  return outputs.filter((one) => one.labels).flatMap((output) => {
    const found = prediction.outputs ? prediction.outputs[output.name] : prediction;
    const labels = output.labels.value;
    return labels.map((label, index) => {
      const wanted = labels.indexOf(label) === labels.lastIndexOf(label) ? label : index;
      const value = JSON.stringify([outputs.length > 1 ? output.name : null, wanted]);
      const text = outputs.length > 1 ? `${output.name}: ${label}` : label;
      return option(value, text, index === found.index && output === outputs.find((one) => one.labels));
    });
  });
}

/** Return the colours from 0 to the most that any pixel of the answer says: its strength, which colours alone hide. */
function legend(most) {
  const canvas = el("canvas", { class: "legend", "aria-hidden": "true" });
  drawLegend(canvas, HEAT);
  return el("span", { class: "legend-line" }, "0 ", canvas, " ", most);
}

function said({ label, probability, score }) {
  const value = probability === undefined ? score : probability;
  if (value === undefined || value === null) return `${label}:`;
  return `${label}, ${probability === undefined ? short(score) : percent(probability)}:`;
}

/** Paint a map on the scale of all maps of its answer, which ends at `most`. */
function paint(canvas, { size: [height, width], heatmap, maximum }, most) {
  const top = maximum > 0 ? most / maximum : Infinity;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  heatmap.forEach((row, y) => row.forEach((value, x) => { pixels[y * width + x] = HEAT[shade(value, 0, top)]; }));
  canvas.getContext("2d").putImageData(image, 0, 0);
}
