// Owns the stack: a row for each layer with its shapes, each of which opens to what the layer makes of the picture.

import { count, disclosure, el, sizes } from "./dom.js";
import { GraphView } from "./graph.js";
import { LayerPanel } from "./panel.js";

const MANY = 12; // layers that are more than one finds at a glance

export class LayersView {
  /** `onAsked` is told the address that was asked for a layer. */
  constructor(root, api, { onAsked }) {
    Object.assign(this, { root, api, onAsked, look: null, panels: new Map() });
  }

  /** Draw the rows of a model anew; nothing is open. */
  setModel(model) {
    this.panels.clear();
    this.look = null;
    this.root.replaceChildren();
    if (!model) return;
    if (!model.layers) {
      this.root.append(el("p", { class: "hint" }, "The layers are not known."));
      return;
    }
    this.hint = el("p", { class: "hint" });
    this.#tell();
    const graph = disclosure("Drawn as a graph", () => new GraphView(this.api, model, (name) => this.open(name)).node, { class: "drawing" });
    const rows = model.layers.map((layer) => this.#row(layer, model));
    this.root.append(this.hint, graph, rows.length > MANY ? filter(rows, model.layers) : "", el("ol", { class: "layers" }, rows));
  }

  /** Take what is looked at: { model, picture, sights, signal }; what is open shows it. */
  show(look) {
    this.look = look;
    this.#tell();
    for (const { details, panel } of this.panels.values()) if (details.open) panel.show(look);
  }

  open(name) {
    const row = this.panels.get(name);
    if (!row) return;
    row.details.parentElement.hidden = false; // it may be filtered out
    row.details.open = true;
    row.details.scrollIntoView({ block: "nearest" });
    row.details.firstElementChild.focus();
  }

  #row(layer, model) {
    const host = el("div", { class: "inside" });
    const summary = el("summary", {},
      el("code", { class: "layer-name" }, layer.name), el("span", { class: "type" }, layer.type),
      el("span", { class: "shape" }, sizes(layer.output_shape)),
      el("span", { class: "parameters" }, layer.parameters ? [count(layer.parameters), el("span", { class: "visually-hidden" }, " parameters")] : null));
    const details = el("details", { "data-layer": layer.name }, summary, el("p", { class: "hint facts" }, facts(layer)), host);
    const panel = new LayerPanel(host, this.api, { layer, model, onAsked: this.onAsked });
    details.addEventListener("toggle", () => details.open && this.look && panel.show(this.look));
    this.panels.set(layer.name, { details, panel });
    return el("li", {}, details);
  }

  #tell() {
    this.hint.textContent = this.look
      ? "Open a layer to see what it makes of the picture; move over it, or tap, to light up what a unit looks at."
      : "Give a picture, and each layer opens to what it makes of it.";
  }
}

/** Return a field that leaves the rows whose layer has all of its words in name or type. */
function filter(rows, layers) {
  const told = el("span", { class: "hint", role: "status" });
  const field = el("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    const isLeft = ({ name, type }) => words.every((word) => `${name} ${type}`.toLowerCase().includes(word));
    rows.forEach((row, index) => { row.hidden = !isLeft(layers[index]); });
    told.textContent = `${count(rows.filter((row) => !row.hidden).length)} of ${count(rows.length)} layers`;
  });
  return el("div", { class: "row filter" }, el("label", { class: "check" }, "Only layers named", field), told);
}

/** The units of a vector look each at another part; what one looks at is told when it is moved over. */
const isOfMaps = (layer) => layer.output_shape?.length === 4;

/** Say of a layer what shapes alone do not. */
function facts(layer) {
  const by = (pair) => pair.join("×");
  const parts = [
    layer.kernel_size && `kernel ${by(layer.kernel_size)}`,
    layer.pool_size && `window ${by(layer.pool_size)}`,
    layer.strides && `strides ${by(layer.strides)}`,
    layer.padding && `padding ${layer.padding}`,
    layer.dilation_rate?.some((rate) => rate !== 1) && `dilation ${by(layer.dilation_rate)}`,
    layer.activation && layer.activation !== "linear" && layer.activation,
    layer.order && `order ${layer.order}`,
    layer.receptive_field && isOfMaps(layer) && `a unit sees ${by(layer.receptive_field)} pixels`,
    layer.macs && `${count(layer.macs)} multiplications`,
  ];
  const from = layer.input_shape && layer.type !== "InputLayer" ? `${sizes(layer.input_shape)} → ${sizes(layer.output_shape)}` : null;
  return [from, ...parts].filter(Boolean).join(" · ");
}
