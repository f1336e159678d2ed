// Owns choosing a model: the list, its states, the version, and the address that keeps the choice over a reload.

import { Refusal, modelPath } from "./api.js";
import { el, notes, option, percent } from "./dom.js";

const SOON_MS = 2000;
const LATER_MS = 8000;
const STATES = { live: "live", building: "being built", failed: "failed", gone: "not here" };

export class Chooser {
  /** `onModel` is given { name, version, path, card, layers }; `card` is null while the model is not live. */
  constructor(root, api, { onModel }) {
    this.api = api;
    this.onModel = onModel;
    this.listed = [];
    this.seen = "";
    this.select = el("select", { id: "model-name", onchange: () => this.choose(this.select.value) });
    this.versions = el("select", { id: "model-version", onchange: () => this.choose(this.name, this.versions.value) });
    this.versionRow = el("p", { class: "field", hidden: true }, el("label", { for: "model-version" }, "Version"), this.versions);
    this.about = el("div", { class: "about", "aria-live": "polite" });
    root.append(el("p", { class: "field" }, el("label", { for: "model-name" }, "Name"), this.select), this.versionRow, this.about);
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.#read();
  }

  /** Ask for the list and for the card of what is chosen; go on asking, sooner while something is being built. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      await this.#update(() => turn === this.turn);
    } finally {
      if (turn === this.turn) this.#later();
    }
  }

  choose(name, version = "") {
    this.name = name;
    this.version = version || null;
    const chosen = { model: name, ...(version ? { version } : {}) };
    history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
    return this.refresh();
  }

  async #update(isCurrent) {
    const { models } = await this.api.json("api/models");
    if (!isCurrent()) return;
    this.listed = models;
    if (!this.name) [this.name, this.version] = [(models.find(isLive) ?? models[0])?.name ?? null, null];
    if (!this.name) return this.#none();
    this.#fill(models.find((one) => one.name === this.name));
    const path = modelPath(this.name, this.version);
    const card = await this.#card(path);
    if (!isCurrent()) return;
    if (card instanceof Refusal) return this.#missing(card, path);
    const text = JSON.stringify(card);
    if (text === this.seen) return;
    const { layers } = card.state === "live" ? await this.api.json(`${path}/layers`) : { layers: null };
    if (!isCurrent()) return;
    this.seen = text;
    this.#tell(card);
    this.onModel({ name: this.name, version: card.version, path, card: card.state === "live" ? card : null, layers });
  }

  /** Return what is known of a model, or why nothing is. */
  async #card(path) {
    try {
      return await this.api.json(path);
    } catch (error) {
      if (error instanceof Refusal && [403, 404].includes(error.status)) return error;
      throw error;
    }
  }

  /** Say that what was chosen is not there: it was deleted, or the address has another name or version. */
  #missing(refusal, path) {
    if (this.seen === refusal.message) return;
    this.seen = refusal.message;
    const state = el("p", { class: "state-line" }, el("span", { class: "state failed" }, STATES.gone));
    this.about.replaceChildren(state, notes([refusal.message], "error"));
    this.onModel({ name: this.name, version: this.version, path, card: null, layers: null });
  }

  #later() {
    const isBuilding = this.listed.some((one) => one.versions.some((version) => version.state === "building"));
    if (!document.hidden) this.timer = setTimeout(() => this.refresh().catch(() => {}), isBuilding ? SOON_MS : LATER_MS);
  }

  #fill(entry) {
    const names = this.listed.map((one) => option(one.name, named(one), one === entry));
    replaceIfChanged(this.select, entry ? names : [option(this.name, `${this.name} (${STATES.gone})`, true), ...names]);
    const versions = entry?.versions ?? [];
    this.versionRow.hidden = versions.length < 2 && !this.version;
    const several = versions.map((one) => option(one.version, versioned(one), String(one.version) === this.version));
    if (this.version && !versions.some((one) => String(one.version) === this.version)) several.push(this.#unlisted(versions));
    replaceIfChanged(this.versions, [option("", "the latest that is live", !this.version), ...several.reverse()]);
  }

  /** Return an option for the version of the address: a label, or a number that is not there. */
  #unlisted(versions) {
    const isLabel = versions.some((one) => one.labels.includes(this.version));
    return option(this.version, isLabel ? this.version : `${this.version} (${STATES.gone})`, true);
  }

  #tell(card) {
    const facts = [`version ${card.version}`, ...(card.version_labels ?? [])];
    const accuracy = card.provenance?.accuracy;
    if (typeof accuracy === "number") facts.push(`accuracy ${accuracy <= 1 ? percent(accuracy) : accuracy}`);
    this.about.replaceChildren(
      el("p", { class: "state-line" }, el("span", { class: `state ${card.state}` }, STATES[card.state]), ` ${facts.join(" · ")}`),
      card.description ? el("p", { class: "description" }, card.description) : "",
      card.state === "building" ? el("p", { class: "hint" }, `${card.step ?? "waiting for its turn"}…`) : "",
      notes(card.diagnosis ? [card.diagnosis] : [], "error") ?? "",
    );
  }

  #none() {
    this.seen = "";
    this.select.replaceChildren();
    const text = "There is no model yet. Drop a saved Keras model (.keras, .h5) into the models folder; it appears here.";
    this.about.replaceChildren(el("p", { class: "hint" }, text));
    this.onModel(null);
  }

  #read() {
    const said = new URLSearchParams(location.hash.slice(1));
    [this.name, this.version] = [said.get("model"), said.get("version")];
  }

  #follow() {
    this.#read();
    this.refresh().catch(() => {});
  }
}

function isLive(entry) {
  return entry.versions.some((one) => one.state === "live");
}

function named(entry) {
  if (isLive(entry)) return entry.name;
  return `${entry.name} (${entry.versions.some((one) => one.state === "building") ? STATES.building : STATES.failed})`;
}

function versioned(one) {
  const labels = one.labels.length ? `, ${one.labels.join(", ")}` : "";
  return `${one.version}${labels}${one.state === "live" ? "" : ` (${STATES[one.state]})`}`;
}

/** Put options into a select, unless they are the same: an open list must not be closed under the user's hand. */
function replaceIfChanged(select, options) {
  const told = (all) => [...all].map((one) => `${one.value} ${one.text} ${one.hasAttribute("selected")}`).join("\n");
  if (told(select.options) !== told(options)) select.replaceChildren(...options);
}
