// Owns what the model saw beside what was sent, with the account of the conversions between the two.

import { isAbort } from "./api.js";
import { el, notes, short, sizes } from "./dom.js";
import { Sight, sizeOf } from "./sight.js";

export class SeenView {
  constructor(root, api) {
    this.root = root;
    this.api = api;
    this.urls = [];
  }

  /** Show a picture and what becomes of it; return a Sight for each input that takes pictures. */
  async show(picture, model, signal) {
    const original = el("figure", {}, originalOf(picture), el("figcaption", {}, "Original"));
    const figures = el("div", { class: "figures" }, original);
    this.root.replaceChildren(figures);
    if (!model?.card) return [];
    try {
      const account = await (await this.api.post(`${model.path}/preview`, picture, { signal })).json();
      const { tensors, input } = account.previews[0];
      original.lastChild.replaceChildren("Original", el("small", {}, told(input, picture)));
      const sights = await this.#sights(picture, model, signal);
      figures.append(...sights.map((sight) => figureOf(sight, sights.length > 1)));
      this.root.append(el("p", { class: "hint" }, "Pictures: width × height. Shapes of arrays: height × width × channels, as in the API."));
      this.root.append(...tensors.map((one) => accountOf(one, tensors.length > 1)));
      return sights;
    } catch (error) {
      if (isAbort(error)) throw error;
      return []; // the answer says what is wrong with the picture
    }
  }

  clear() {
    this.root.replaceChildren();
  }

  async #sights(picture, model, signal) {
    const taking = model.card.inputs.filter((one) => one.takes_images);
    const found = await Promise.all(taking.map((one) => this.#sight(one.name, picture, model, signal)));
    this.urls.splice(0, this.urls.length, ...found.map((one) => one.url)).forEach((url) => URL.revokeObjectURL(url));
    return found;
  }

  async #sight(name, picture, model, signal) {
    const path = `${model.path}/preview?${new URLSearchParams({ input: name })}`;
    const answer = await this.api.post(path, picture, { accept: "image/png", signal });
    const url = URL.createObjectURL(await answer.blob());
    return new Sight(name, url, ...(await sizeOf(url)));
  }
}

function originalOf(picture) {
  const image = el("img", { src: picture.url, alt: `The picture as sent: ${picture.name}` });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "blank" }, "This browser cannot show it.")));
  image.addEventListener("load", () => image.classList.toggle("pixels", image.naturalWidth < 200));
  return el("span", { class: "frame" }, image);
}

function told(input, picture) {
  const size = input.size ? `${input.size[1]}×${input.size[0]} ` : "";
  return ` ${size}${input.format ?? ""} · ${picture.name}`;
}

function figureOf(sight, isNamed) {
  const size = el("small", {}, ` ${isNamed ? `${sight.name} · ` : ""}${sight.width}×${sight.height}`);
  return el("figure", { class: "sight" }, sight.draw(), el("figcaption", {}, "What the model sees", size));
}

function accountOf(tensor, isNamed) {
  const list = (numbers) => numbers.map(short).join(", ");
  return el("div", { class: "account" },
    isNamed ? el("h3", {}, tensor.name) : null,
    el("ol", { class: "steps" }, tensor.conversions.map((one) => el("li", {}, one))),
    el("p", { class: "hint" }, `${sizes(tensor.shape)} ${tensor.dtype}: from ${list(tensor.min)} to ${list(tensor.max)}, mean ${list(tensor.mean)}`),
    notes(tensor.warnings));
}
