// Owns the page's one walk: a model and a picture are chosen, the server is asked, every part shows what it says.

import { AnswerView } from "./answer.js";
import { Api, isAbort, stagesOf } from "./api.js";
import { drawCard } from "./card.js";
import { CodeView } from "./code.js";
import { byId, percent, say } from "./dom.js";
import { Drawing, isForDrawing } from "./draw.js";
import { LayersView } from "./layers.js";
import { Chooser } from "./models.js";
import { Pictures } from "./pictures.js";
import { SeenView } from "./seen.js";
import { WhyView } from "./why.js";

const AT_ONCE = 3;
const DRAWN = "drawing.png";

class App {
  constructor() {
    this.api = new Api(document.body.dataset.root, {
      onGone: () => banner("The server does not answer. It is tried again until it does."),
      onBack: () => this.#back(),
      onKey: (why) => this.#wantKey(why),
    });
    this.model = null;
    this.asking = new AbortController();
    this.looking = new AbortController();
    this.code = new CodeView(byId("code"), this.api);
    this.answer = new AnswerView(byId("answer"));
    this.seen = new SeenView(byId("seen"), this.api);
    this.why = new WhyView(byId("why"), this.api, { onAsked: (path) => this.code.noted(path) });
    this.layers = new LayersView(byId("layers"), this.api, { onAsked: (path) => this.code.noted(path) });
    this.pictures = new Pictures({ onCome: (come) => this.#ask(come), onChoose: () => this.#look() });
    this.drawing = new Drawing(byId("draw"), {
      onDrawn: (blob) => this.pictures.add([blob], DRAWN),
      onCleared: () => this.pictures.current?.name === DRAWN && this.pictures.remove(),
    });
    byId("draw-open").addEventListener("click", () => this.#draw(byId("draw").hidden));
    byId("key").addEventListener("submit", (event) => this.#useKey(event));
    document.addEventListener("click", leadInside);
    this.models = new Chooser(byId("model"), this.api, { onModel: (model) => this.#setModel(model) });
    this.models.refresh().catch(() => {});
    this.#show();
  }

  get card() {
    return this.model?.card ?? null;
  }

  #setModel(model) {
    this.asking.abort();
    this.asking = new AbortController();
    this.model = model;
    document.title = model ? `${model.name} · Convoy` : "Convoy";
    for (const picture of this.pictures.all) Object.assign(picture, { answer: null, error: null });
    const isDrawn = isForDrawing(this.card);
    byId("draw-open").hidden = !isDrawn;
    if (isDrawn) this.drawing.fit(this.card);
    else this.#draw(false);
    this.why.look = null;
    for (const id of ["layers-panel", "code-panel", "card-panel"]) byId(id).hidden = !this.card;
    if (this.card) drawCard(byId("card"), this.card);
    this.layers.setModel(this.card ? model : null);
    this.#ask(this.pictures.all);
    this.#look();
  }

  /** Ask the model about pictures, a few at a time. */
  async #ask(pictures) {
    if (!this.card) return;
    const { signal } = this.asking;
    const waiting = [...pictures];
    const work = async () => {
      for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) await this.#askOne(next, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #askOne(picture, signal) {
    const { card, path } = this.model;
    const began = performance.now();
    try {
      const answer = await this.api.post(`${path}/predict?layers=none`, picture, { signal });
      const body = await answer.json();
      picture.answer = { prediction: body.predictions[0], stages: stagesOf(answer), total: performance.now() - began };
    } catch (error) {
      if (isAbort(error)) return;
      picture.error = error;
    }
    this.pictures.draw();
    if (picture !== this.pictures.current || card !== this.card) return;
    this.#show();
    this.#deepen();
  }

  /** Look at the picture that is chosen, with the model that is chosen. */
  #look() {
    this.looking.abort();
    this.looking = new AbortController();
    const { signal } = this.looking;
    const picture = this.pictures.current;
    this.code.setLook(this.card ? this.model.path : null, picture);
    this.#show();
    if (!picture) return this.#forget();
    this.sights = this.seen.show(picture, this.model, signal);
    this.sights.catch(() => {});
    this.#deepen();
  }

  /** Take away what was shown of a picture that is no longer there. */
  #forget() {
    this.seen.clear();
    this.why.look = null;
    if (this.layers.look) this.layers.setModel(this.card ? this.model : null);
  }

  #show() {
    const picture = this.pictures.current;
    const isLookable = Boolean(picture?.answer && this.card);
    byId("why-panel").hidden = !isLookable || !this.card.outputs.some((one) => one.labels);
    byId("columns").classList.toggle("begun", Boolean(picture));
    this.answer.show(picture, this.card);
    if (isLookable) say(spoken(picture.answer.prediction));
  }

  /** Have heat map and layers follow, once the picture has an answer and its sights are there. */
  async #deepen() {
    const [picture, { signal }] = [this.pictures.current, this.looking];
    if (!picture?.answer || !this.card) return;
    const sights = await this.sights.catch(() => null);
    if (signal.aborted || !sights || this.deepened === signal) return;
    this.deepened = signal;
    const look = { model: this.model, picture, sights, signal };
    if (!byId("why-panel").hidden) this.why.show(look);
    this.layers.show(look);
  }

  #draw(isOpen) {
    byId("draw").hidden = !isOpen;
    byId("draw-open").setAttribute("aria-expanded", String(isOpen));
  }

  #back() {
    banner("");
    say("The server answers again.");
    this.models.seen = "";
    this.models.refresh().catch(() => {});
  }

  #wantKey(why) {
    byId("columns").hidden = true;
    byId("key").hidden = false;
    byId("key-why").textContent = why;
    byId("key-text").focus();
  }

  #useKey(event) {
    event.preventDefault();
    const isTaken = this.api.takeKey(byId("key-text").value.trim());
    byId("key-text").value = "";
    if (!isTaken) return this.#wantKey("That is not a key: a key has letters a to z, digits and signs, and no spaces.");
    byId("key").hidden = true;
    byId("columns").hidden = false;
    this.models.refresh().catch(() => {});
  }
}

/** Follow a link to a part of the page without its address, which keeps the model. */
function leadInside(event) {
  const to = event.target.closest?.("a[href^='#']");
  if (!to) return;
  event.preventDefault();
  const part = byId(to.getAttribute("href").slice(1));
  part.scrollIntoView();
  part.focus({ preventScroll: true });
}

function banner(text) {
  byId("banner").textContent = text;
  byId("banner").hidden = !text;
}

function spoken(prediction) {
  const outputs = prediction.outputs ? Object.entries(prediction.outputs) : [["", prediction]];
  return outputs.map(([name, one]) => `${name} ${one.label ?? ""} ${one.probability ? percent(one.probability) : ""}`).join("; ");
}

new App();
