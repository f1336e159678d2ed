// Owns the drawn stack: graph.svg put into the page, in a shadow of its own so that its style stays its own.

import { refusal } from "./answer.js";
import { el } from "./dom.js";

const STYLE = /<style[^>]*>([^<]*)<\/style>/g;
const OWN = `
  svg { display: block; margin: 0 auto; }
  .layer-graph .ground { fill: none; }
  .layer-graph .veil { fill: var(--panel); }`;

export class GraphView {
  /** `onLayer` is told the name of the layer whose box was chosen. */
  constructor(api, model, onLayer) {
    Object.assign(this, { api, model, onLayer });
    this.node = el("div", { class: "graph-host", tabindex: 0, role: "group", "aria-label": "The layers as a graph" }, el("p", { class: "hint" }, "Asking…"));
    this.#load(`${model.path}/graph.svg`);
  }

  async #load(path) {
    try {
      const answer = await this.api.ask(path, { accept: "image/svg+xml" });
      this.#put(await answer.text());
    } catch (error) {
      this.node.replaceChildren(refusal(error));
    }
  }

  #put(text) {
    const shadow = this.node.shadowRoot ?? this.#shadow();
    // The page's policy allows no style in what is put into the page; a sheet that is made by a script is allowed.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync([...text.matchAll(STYLE)].map(([, style]) => style).join("\n") + OWN);
    const svg = new DOMParser().parseFromString(text.replace(STYLE, ""), "image/svg+xml").documentElement;
    shadow.adoptedStyleSheets = [sheet];
    shadow.replaceChildren(document.importNode(svg, true));
  }

  #shadow() {
    const shadow = this.node.attachShadow({ mode: "open" });
    shadow.addEventListener("click", (event) => this.#clicked(event));
    shadow.addEventListener("keydown", (event) => event.key === "Enter" && !event.target.closest("a") && this.#clicked(event));
    return shadow;
  }

  #clicked(event) {
    const link = event.target.closest("a");
    if (link) {
      event.preventDefault();
      const query = new URL(link.getAttribute("href") ?? link.getAttribute("xlink:href"), this.api.root).search;
      this.#load(`${this.model.path}/graph.svg${query}`);
      return;
    }
    const box = event.target.closest("[data-layer]");
    if (box) this.onLayer(box.dataset.layer);
  }
}
