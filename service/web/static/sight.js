// Owns a picture with a rectangle over it: what a unit looks at.

import { el } from "./dom.js";

/** One input as the model sees it; every place that shows it is told of the region to light up. */
export class Sight {
  constructor(name, url, width, height) {
    Object.assign(this, { name, url, width, height });
    this.shown = new Map();
  }

  /**
   * Return the picture, a pixel of the model's being a square, with room for the rectangle: that of any layer, or of the
   * one that is its `owner` alone.
   */
  draw(alt = `What the model sees at ${this.name}`, owner = null) {
    const region = el("span", { class: "region", hidden: true });
    const image = el("img", { src: this.url, alt, class: this.width < 200 ? "pixels" : null });
    const frame = el("span", { class: "frame" }, image, region);
    frame.style.aspectRatio = `${this.width} / ${this.height}`;
    frame.classList.toggle("tall", this.height > this.width);
    this.shown.set(region, owner);
    return frame;
  }

  /** Light up `{ top, left, bottom, right }` of an owner's unit where that may be shown; nothing where it is null. */
  light(box, from) {
    for (const [region, owner] of this.shown) {
      if (!region.isConnected) this.shown.delete(region);
      if (owner && owner !== from) continue;
      region.hidden = !box;
      if (box) this.#place(region.style, box);
    }
  }

  #place(style, { top, left, bottom, right }) {
    style.left = `${(100 * left) / this.width}%`;
    style.top = `${(100 * top) / this.height}%`;
    style.width = `${(100 * (right - left)) / this.width}%`;
    style.height = `${(100 * (bottom - top)) / this.height}%`;
  }
}

/** Return the size of the picture at an address; raise where it is none that this browser can show. */
export async function sizeOf(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return [image.naturalWidth, image.naturalHeight];
}
