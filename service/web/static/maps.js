// Owns drawing numbers as tiles (feature maps, or the units of a vector as tiles of one) and moving over them.

import { MAPS, shade } from "./colours.js";
import { el } from "./dom.js";
import { rangeOf } from "./npy.js";

const TILE = 88;
const GAP = 4;
const UNIT = { largest: 16, least: 4, tallest: 300 };

/** A grid of tiles; each has `height` by `width` numbers of one channel. A vector has tiles of 1 by 1 without gaps. */
export class Tiles {
  /**
   * `array` is { values, height, width, channels }, channels last. `period` is what a row of units is best a multiple of.
   * `onUnit` is given { row, column, channel } of the unit that pointer or keyboard is at, null where at none; `onLaid`
   * how many tiles a row has, whenever that changes.
   */
  constructor(array, { label, period = 1, onUnit, onLaid = () => {} }) {
    Object.assign(this, array, { period, onUnit, onLaid });
    this.isVector = this.height * this.width === 1;
    this.isStretched = false;
    this.unit = null;
    this.canvas = el("canvas", {});
    this.cursor = el("span", { class: "cursor", hidden: true });
    this.node = el("div", { class: "tiles", tabindex: 0, role: "application", "aria-roledescription": "map of units", "aria-label": label }, this.canvas, this.cursor);
    for (const kind of ["pointermove", "pointerdown"]) this.canvas.addEventListener(kind, (event) => this.#pointed(event));
    this.node.addEventListener("pointerleave", (event) => this.#left(event));
    this.node.addEventListener("keydown", (event) => this.#pressed(event));
    this.node.addEventListener("focus", () => this.unit ?? (this.node.matches(":focus-visible") && this.#go({ row: 0, column: 0, channel: 0 })));
    new ResizeObserver(() => this.#lay()).observe(this.node);
  }

  value({ row, column, channel }) {
    return this.values[(row * this.width + column) * this.channels + channel];
  }

  /** Give each tile the whole range of colours, or all of them one range. */
  stretch(isStretched) {
    this.isStretched = isStretched;
    this.#paint();
  }

  /** Fit the tiles to the room there is, and draw them. */
  #lay() {
    const room = this.node.clientWidth;
    if (!room || room === this.room) return;
    this.room = room;
    this.gap = this.isVector ? 0 : GAP;
    const scale = this.isVector ? this.#unitSize(room) : tileScale(this.height, this.width, room);
    [this.across, this.down] = [Math.max(1, Math.round(this.width * scale)), Math.max(1, Math.round(this.height * scale))];
    this.columns = this.#columns(room, this.across);
    this.canvas.width = this.columns * (this.across + this.gap) - this.gap;
    this.canvas.height = Math.ceil(this.channels / this.columns) * (this.down + this.gap) - this.gap;
    this.#paint();
    this.#mark();
    this.onLaid(this.columns);
  }

  /** Return the largest size of a unit, in pixels, at which a vector is not too tall. */
  #unitSize(room) {
    for (let size = UNIT.largest; size > UNIT.least; size -= 1) {
      const isRegular = this.period === 1 || room >= this.period * size;
      if (isRegular && Math.ceil(this.channels / this.#columns(room, size)) * size <= UNIT.tallest) return size;
    }
    return UNIT.least;
  }

  #columns(room, across) {
    const most = Math.max(1, Math.floor((room + this.gap) / (across + this.gap)));
    return Math.min(this.channels, most >= this.period ? most - (most % this.period) : most);
  }

  #paint() {
    if (!this.room) return;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = this.across < this.width;
    const range = rangeOf(this.values);
    if (this.isVector) return this.#paintVector(context, range);
    const tile = el("canvas", { width: this.width, height: this.height });
    for (let channel = 0; channel < this.channels; channel += 1) {
      const numbers = this.#channel(channel);
      put(tile, numbers, this.isStretched ? rangeOf(numbers) : range);
      context.drawImage(tile, ...this.#corner(channel), this.across, this.down);
    }
  }

  #paintVector(context, range) {
    const rows = Math.ceil(this.channels / this.columns);
    const all = el("canvas", { width: this.columns, height: rows });
    put(all, this.values, range);
    context.drawImage(all, 0, 0, this.canvas.width, this.canvas.height);
  }

  #channel(channel) {
    const taken = new Float32Array(this.height * this.width);
    for (let place = 0; place < taken.length; place += 1) taken[place] = this.values[place * this.channels + channel];
    return taken;
  }

  #corner(channel) {
    const step = [this.across + this.gap, this.down + this.gap];
    return [(channel % this.columns) * step[0], Math.floor(channel / this.columns) * step[1]];
  }

  #pointed(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const [column, row] = [Math.floor(x / (this.across + this.gap)), Math.floor(y / (this.down + this.gap))];
    const channel = row * this.columns + column;
    if (column < 0 || column >= this.columns || row < 0 || channel >= this.channels) return;
    const [left, top] = this.#corner(channel);
    this.#go({
      row: clamp(((y - top) * this.height) / this.down, this.height),
      column: clamp(((x - left) * this.width) / this.across, this.width),
      channel,
    });
  }

  /** A finger that is lifted leaves too, and has just chosen. */
  #left(event) {
    if (event.pointerType === "mouse" && document.activeElement !== this.node) this.#go(null);
  }

  #pressed(event) {
    const step = (this.isVector ? vectorSteps(this.columns) : MAP_STEPS)[event.key];
    if (!step) return;
    event.preventDefault();
    const from = this.unit ?? { row: 0, column: 0, channel: 0 };
    this.#go({
      row: clamp(from.row + (step.row ?? 0), this.height),
      column: clamp(from.column + (step.column ?? 0), this.width),
      channel: clamp(from.channel + (step.channel ?? 0), this.channels),
    });
  }

  #go(unit) {
    const place = ({ row, column, channel }) => `${row} ${column} ${channel}`;
    if (unit === this.unit || (unit && this.unit && place(unit) === place(this.unit))) return;
    this.unit = unit;
    this.#mark();
    this.onUnit(unit);
  }

  #mark() {
    this.cursor.hidden = !this.unit;
    if (!this.unit) return;
    const [left, top] = this.#corner(this.unit.channel);
    const [width, height] = [this.across / this.width, this.down / this.height];
    Object.assign(this.cursor.style, {
      left: `${left + this.unit.column * width}px`,
      top: `${top + this.unit.row * height}px`,
      width: `${Math.max(3, width)}px`,
      height: `${Math.max(3, height)}px`,
    });
  }
}

const FAR = 1e9;
const MAP_STEPS = {
  ArrowLeft: { column: -1 }, ArrowRight: { column: 1 }, ArrowUp: { row: -1 }, ArrowDown: { row: 1 },
  PageUp: { channel: -1 }, PageDown: { channel: 1 }, Home: { row: -FAR, column: -FAR }, End: { row: FAR, column: FAR },
};

function vectorSteps(columns) {
  return {
    ArrowLeft: { channel: -1 }, ArrowRight: { channel: 1 }, ArrowUp: { channel: -columns }, ArrowDown: { channel: columns },
    Home: { channel: -FAR }, End: { channel: FAR },
  };
}

/** Return how many pixels of the screen a number gets: whole ones where it is one or more. */
function tileScale(height, width, room) {
  const scale = Math.min(TILE / Math.max(1, Math.min(height, width)), room / width);
  return scale >= 1 ? Math.floor(scale) : scale;
}

function clamp(value, length) {
  return Math.max(0, Math.min(length - 1, Math.floor(value)));
}

function put(canvas, numbers, [low, high]) {
  const image = new ImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let index = 0; index < numbers.length; index += 1) pixels[index] = MAPS[shade(numbers[index], low, high)];
  canvas.getContext("2d").putImageData(image, 0, 0);
}
