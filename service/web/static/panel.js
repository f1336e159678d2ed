// Owns what one layer makes of the picture: its maps or its units, what they look at, 64 channels at a time.

import { isAbort } from "./api.js";
import { refusal } from "./answer.js";
import { MAPS, drawLegend } from "./colours.js";
import { count, el, option, say, short, sizes } from "./dom.js";
import { Tiles } from "./maps.js";
import { rangeOf, readNpy } from "./npy.js";

const PAGE = { maps: 64, units: 4096 };
const FEW = 24; // units that get a bar each

export class LayerPanel {
  constructor(root, api, { layer, model, onAsked }) {
    Object.assign(this, { root, api, layer, model, onAsked, first: 0, regions: new Map(), shownOf: null });
    this.shape = shapeOf(layer);
    this.channels = channelsOf(layer, this.shape);
    this.page = this.shape.length > 2 ? PAGE.maps : PAGE.units;
  }

  /** Show this layer for { picture, sights, signal }, unless it already does. */
  show(look) {
    if (look === this.look) return;
    this.look = look;
    this.#ask();
  }

  async #ask() {
    const { picture, signal } = this.look;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const path = `${this.model.path}/activations?${this.#query()}`;
    this.onAsked(path);
    this.root.setAttribute("aria-busy", "true");
    if (!this.root.firstChild) this.root.append(el("p", { class: "hint" }, "Asking…"));
    try {
      const answer = await this.api.post(path, picture, { accept: "application/x-npy", signal });
      const array = readNpy(await answer.arrayBuffer());
      if (turn === this.turn) this.#draw(array);
    } catch (error) {
      if (!isAbort(error) && turn === this.turn) this.root.replaceChildren(refusal(error));
    } finally {
      this.root.removeAttribute("aria-busy");
    }
  }

  #query() {
    const query = new URLSearchParams({ layer: this.layer.name, ...this.#chosen() });
    if (this.channels > this.page) query.set("channels", `${this.first}-${this.#last}`);
    return query;
  }

  /** Return which call and output of the layer was chosen, where that is not the first. */
  #chosen() {
    return Object.fromEntries(["call", "part"].filter((name) => this[name]).map((name) => [name, this[name]]));
  }

  get #last() {
    return Math.min(this.first + this.page, this.channels) - 1;
  }

  #draw({ shape, values }) {
    if (this.lens) this.#light(null); // what was looked at is no longer shown
    const array = arrayOf(shape, values, isChannelsFirst(this.layer, shape));
    this.array = array;
    this.readout = el("p", { class: "readout" }, "Move over it, tap, or use the arrow keys.");
    const isVector = array.height * array.width === 1;
    if (isVector && this.channels <= FEW) {
      this.root.replaceChildren(el("div", { class: "row toolbar" }, this.#choices()), unitBars(values, labelsOf(this.layer, this.model)));
      return;
    }
    const period = isVector ? periodOf(this.layer) : 1;
    const label = `${isVector ? "Units" : "Feature maps"} of ${this.layer.name}; arrow keys move`;
    const order = isVector ? el("p", { class: "hint order" }) : null;
    const onLaid = (columns) => { if (order) order.textContent = orderOf(this.layer, period, columns); };
    this.tiles = new Tiles(array, { label, period, onUnit: (unit) => this.#look(unit), onLaid });
    this.lens = el("div", { class: "lens" }, this.look.sights.map((sight) => sight.draw(`What a unit of ${this.layer.name} looks at`, this)));
    this.root.replaceChildren(this.#toolbar(isVector), el("div", { class: "looking" }, this.tiles.node, this.lens), order ?? "", this.readout);
  }

  #toolbar(isVector) {
    const [low, high] = rangeOf(this.array.values);
    const legend = el("canvas", { class: "legend", "aria-hidden": "true" });
    drawLegend(legend, MAPS);
    const stretched = el("input", { type: "checkbox", onchange: () => this.tiles.stretch(stretched.checked) });
    return el("div", { class: "row toolbar" },
      el("span", { class: "legend-line" }, `${short(low)} `, legend, ` ${short(high)}`),
      isVector ? null : el("label", { class: "check" }, stretched, "each map its own range"),
      ...this.#choices(), this.#pages());
  }

  #pages() {
    if (this.channels <= this.page) return null;
    const turn = (by) => () => { this.first += by; this.#ask(); };
    const what = this.page === PAGE.maps ? "channels" : "units";
    return el("span", { class: "row pages" },
      el("button", { type: "button", class: "quiet", disabled: this.first === 0, "aria-label": `${what} before`, onclick: turn(-this.page) }, "←"),
      `${what} ${count(this.first)}–${count(this.#last)} of ${count(this.channels)}`,
      el("button", { type: "button", class: "quiet", disabled: this.#last + 1 === this.channels, "aria-label": `${what} after`, onclick: turn(this.page) }, "→"));
  }

  /** A layer that is called several times, or has several outputs, gives the choice of one. */
  #choices() {
    const outputs = Array.isArray(this.layer.output_shape?.[0]) ? this.layer.output_shape.length : 1;
    return [this.#choice("call", this.layer.calls?.length ?? 1), this.#choice("part", outputs)];
  }

  #choice(name, many) {
    if (many < 2) return null;
    const text = name === "call" ? "call" : "output";
    const select = el("select", { "aria-label": `Which ${text} of the layer`, onchange: () => this.#choose({ [name]: Number(select.value) }) });
    for (let index = 0; index < many; index += 1) select.append(option(index, `${text} ${index}`, index === (this[name] ?? 0)));
    return select;
  }

  #choose(chosen) {
    Object.assign(this, chosen, { first: 0, shape: shapeOf(this.layer, chosen.part ?? this.part) });
    this.channels = channelsOf(this.layer, this.shape);
    this.#ask();
  }

  async #look(unit) {
    if (!unit) return this.#light(null);
    this.wanted = unit;
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      while (this.wanted) await this.#lookAt(this.wanted);
    } catch (error) {
      if (!isAbort(error)) this.readout.textContent = error.message;
    } finally {
      this.isLooking = false;
    }
  }

  /** Ask where one unit looks; those passed over while that is asked are left out. */
  async #lookAt(unit) {
    const channel = this.first + unit.channel;
    const index = indexOf(unit, channel, this);
    const query = new URLSearchParams({ ...this.#chosen(), ...sizeOf(this.model, this.look.sights) });
    const path = `${this.model.path}/layers/${encodeURIComponent(this.layer.name)}/units/${index}?${query}`;
    if (!this.regions.has(path)) this.regions.set(path, await this.api.json(path, { signal: this.look.signal }));
    if (this.wanted === unit) {
      this.wanted = null;
      this.#tell(unit, index, this.regions.get(path));
    }
  }

  #tell(unit, index, found) {
    const places = ["row", "column", "channel"].filter((name) => found[name] !== null && found[name] !== undefined);
    const place = places.map((name) => `${name} ${found[name]}`).join(", ");
    const regions = found.regions ?? [{ input: found.input, ...found.region }];
    const sees = regions.map((one) => inWords(one, this.look.sights.length > 1)).join(" and ");
    this.readout.textContent = `unit ${count(index)} (${place}): ${short(this.tiles.value(unit))}; looks at ${sees}.`;
    say(this.readout.textContent);
    this.#light(regions);
  }

  #light(regions) {
    if (!regions) this.wanted = null;
    for (const sight of this.look.sights) sight.light(regions?.find((one) => one.input === sight.name) ?? null, this);
  }
}

function inWords({ top, left, bottom, right, input }, isNamed) {
  return `rows ${top}–${bottom - 1}, columns ${left}–${right - 1}${isNamed ? ` of ${input}` : ""}`;
}

/** Return the size of what is looked at, for a model that takes pictures of any size. */
function sizeOf({ card }, sights) {
  const input = card.inputs.find((one) => one.takes_images);
  const sight = sights.find((one) => one.name === input?.name);
  return sight && input.shape.slice(1, -1).includes(null) ? { size: `${sight.height}x${sight.width}` } : {};
}

/** Return a bar for each unit, from the least number or 0 to the greatest. */
function unitBars(values, labels) {
  const [low, high] = rangeOf([0, ...values]);
  const rows = [...values].map((value, index) => {
    const bar = el("span", { class: "fill" });
    bar.style.width = `${high > low ? (100 * (value - low)) / (high - low) : 0}%`;
    return el("li", {}, el("span", { class: "name" }, labels ? labels[index] : String(index)), el("span", { class: "track" }, bar), el("span", { class: "value" }, short(value)));
  });
  return el("ol", { class: "bars" }, rows);
}

/** Return the labels of a layer that is an output of the model, null for any other. */
function labelsOf(layer, { card, layers }) {
  if (layers.some((one) => one.inbound?.includes(layer.name))) return null;
  const units = shapeOf(layer).at(-1);
  return card.outputs.find((one) => one.labels && one.classes === units && one.shape.at(-1) === units)?.labels.value ?? null;
}

/** Return the shape of one of a layer's outputs, batch axis first. */
function shapeOf(layer, part = 0) {
  const shape = layer.output_shape ?? [];
  return Array.isArray(shape[0]) ? shape[part] : shape;
}

/** Return whether what a layer gives has its channels before all other axes. */
function isChannelsFirst({ axes, data_format: format }, shape) {
  if (axes?.length === shape.length - 1) return axes[0] === "channel";
  return format === "channels_first" && shape.length > 2;
}

function channelsOf(layer, shape) {
  return (isChannelsFirst(layer, shape) ? shape[1] : shape.at(-1)) ?? 0;
}

/** Return the index of a unit in the layer's own output, first axis slowest. */
function indexOf({ row, column }, channel, { array, channels, layer, shape }) {
  if (isChannelsFirst(layer, shape)) return (channel * array.height + row) * array.width + column;
  return (row * array.width + column) * channels + channel;
}

/**
 * Return an array of any rank as maps, channels last: a vector has one place, a sequence of vectors one row. Further
 * axes are laid below each other.
 */
function arrayOf(shape, values, isFirst) {
  const item = isFirst ? [...shape.slice(2), shape[1]] : shape.slice(1);
  const [width, channels] = [1, 1, ...item].slice(-2);
  const height = item.slice(0, -2).reduce((rows, axis) => rows * axis, 1);
  return { values: isFirst ? channelsLast(values, channels) : values, height, width, channels };
}

function channelsLast(values, channels) {
  const places = values.length / channels;
  return values.map((_, index) => values[(index % channels) * places + Math.floor(index / channels)]);
}

/** Say in which order the units of a vector are laid out. */
function orderOf(layer, period, columns) {
  const order = `Each square is a unit; they go from left to right, ${count(columns)} in a row, unit 0 at the top left.`;
  if (period === 1) return order;
  const places = sizes([null, ...shapeOf({ output_shape: layer.input_shape }).slice(1, -1)]);
  return `${order} Every ${count(period)} of them are the channels of one place of ${places}, which go row by row.`;
}

/** Return what a row of units is best a multiple of: for a Flatten, what its last axis was. */
function periodOf(layer) {
  const taken = Array.isArray(layer.input_shape?.[0]) ? layer.input_shape[0] : layer.input_shape;
  return layer.type === "Flatten" ? taken?.at(-1) ?? 1 : 1;
}
