// Owns how pictures come in (drop, paste, pick, camera) and the gallery of those that are there.

import { byId, el, percent, say } from "./dom.js";

const MOST = 100;
const NEEDS_PICTURE = "That was text or a link. A picture is needed: drop or paste its file, or save it first and choose it.";

export class Pictures {
  /** `onCome` is given the new pictures, `onChoose` the one to look at; each is { name, blob, url, answer, error }. */
  constructor({ onCome, onChoose }) {
    this.onCome = onCome;
    this.onChoose = onChoose;
    this.all = [];
    this.current = null;
    this.gallery = byId("gallery");
    this.remover = byId("remove");
    this.remover.addEventListener("click", () => this.#removed());
    for (const id of ["file", "camera"]) byId(id).addEventListener("change", (event) => this.#picked(event.target));
    addEventListener("paste", (event) => this.#pasted(event));
    for (const kind of ["dragenter", "dragover"]) addEventListener(kind, (event) => this.#dragged(event));
    addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dragging"));
    addEventListener("drop", (event) => this.#dropped(event));
  }

  /** Take files or blobs, look at the first of them; the oldest make room for what is over the limit. */
  add(blobs, name = null) {
    if (!blobs.length) return;
    const come = blobs.slice(0, MOST).map((blob) => ({ name: name ?? blob.name ?? "pasted.png", blob, url: URL.createObjectURL(blob) }));
    const isOne = come.length === 1 && this.all.length <= 1;
    const kept = isOne ? [] : this.all.slice(Math.max(0, this.all.length + come.length - MOST));
    for (const gone of this.all.filter((one) => !kept.includes(one))) URL.revokeObjectURL(gone.url);
    this.all = [...kept, ...come];
    this.#note("");
    this.onCome(come);
    this.choose(come[0]);
  }

  choose(picture) {
    this.current = picture;
    this.draw();
    this.onChoose(picture);
  }

  /** Take the current picture away, and look at the one that was beside it. */
  remove() {
    const at = this.all.indexOf(this.current);
    if (at < 0) return;
    URL.revokeObjectURL(this.current.url);
    say(`${this.current.name} removed`);
    this.all.splice(at, 1);
    this.choose(this.all[Math.min(at, this.all.length - 1)] ?? null);
  }

  /** Draw the gallery anew; one picture needs none. */
  draw() {
    this.gallery.hidden = this.all.length < 2;
    this.remover.hidden = !this.all.length;
    this.#grow();
    this.all.forEach((picture, index) => this.#fill(this.gallery.children[index], picture));
  }

  #grow() {
    while (this.gallery.childElementCount > this.all.length) this.gallery.lastElementChild.remove();
    while (this.gallery.childElementCount < this.all.length) {
      const index = this.gallery.childElementCount;
      const button = el("button", { type: "button", onclick: () => this.choose(this.all[index]) });
      button.append(el("img", { alt: "" }), el("span", { class: "label" }), el("span", { class: "value" }));
      this.gallery.append(el("li", {}, button));
    }
  }

  #fill(item, picture) {
    const button = item.firstElementChild;
    const [image, label, value] = button.children;
    if (image.src !== picture.url) image.src = picture.url;
    const [text, number] = briefly(picture);
    label.textContent = text;
    value.textContent = number;
    button.title = picture.name;
    button.setAttribute("aria-label", `${picture.name}: ${text} ${number}`);
    button.setAttribute("aria-pressed", String(picture === this.current));
    button.classList.toggle("bad", Boolean(picture.error));
  }

  #picked(input) {
    this.add([...input.files]);
    input.value = "";
  }

  #removed() {
    this.remove();
    if (!this.all.length) byId("file").focus();
  }

  #pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (isWriting(event)) return;
    event.preventDefault();
    if (!files.length) return this.#note(NEEDS_PICTURE);
    this.add(files);
  }

  #dragged(event) {
    if (isWriting(event)) return;
    event.preventDefault(); // a link that is not taken would be opened in place of the page
    document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
  }

  #note(text) {
    byId("drop-note").textContent = text;
    byId("drop-note").hidden = !text;
  }

  #dropped(event) {
    document.body.classList.remove("dragging");
    if (isWriting(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return this.#note(NEEDS_PICTURE);
    this.add(files);
    say(files.length === 1 ? `${files[0].name} taken` : `${files.length} pictures taken`);
  }
}

/** Return whether something comes to where text is written. */
function isWriting(event) {
  return Boolean(event.target.closest?.("input:not([type=file]), textarea"));
}

/** Return what the gallery says below a picture: a label and a number. */
function briefly({ answer, error }) {
  if (error) return ["error", ""];
  if (!answer) return ["…", ""];
  const found = answer.prediction.outputs ? Object.values(answer.prediction.outputs)[0] : answer.prediction;
  if (found.values || found.label === undefined) return ["numbers", ""];
  if (found.labels) return [found.labels.map((one) => one.label).join(", ") || "none", ""];
  return [found.label, found.probability === undefined ? "" : percent(found.probability)];
}
