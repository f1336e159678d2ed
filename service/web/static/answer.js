// Owns the answer: the label, the bars of every head, the time it took, and what the server said instead.

import { count, el, milliseconds, notes, percent, short, sizes } from "./dom.js";

const TOP = 5;
const MOST_ROWS = 1000;
const PICTURES = "Choose a JPEG, PNG, WebP, BMP, GIF or TIFF.";
const STAGES = { queue: "waiting", decode: "decoding", infer: "inference", render: "writing", rest: "network and browser" };

export class AnswerView {
  constructor(root) {
    this.root = root;
    this.isAll = false;
  }

  /** Show what is known of a picture: nothing yet, an error, or the answer. */
  show(picture, card) {
    this.root.setAttribute("aria-busy", String(Boolean(picture && card && !picture.answer && !picture.error)));
    if (!picture) return this.root.replaceChildren(el("p", { class: "hint" }, empty(card)));
    if (picture.error) return this.root.replaceChildren(refusal(ofPicture(picture, card)));
    if (!picture.answer) return this.root.replaceChildren(el("p", { class: "hint" }, card ? "Asking…" : "The model is not live; why is told below its name."));
    const { prediction, stages, total } = picture.answer;
    const outputs = prediction.outputs ? Object.entries(prediction.outputs) : [[card.outputs[0].name, prediction]];
    const parts = outputs.map(([name, found]) => this.#output(found, card.outputs.find((one) => one.name === name), outputs.length > 1));
    this.root.replaceChildren(...parts, notes(prediction.warnings) ?? "", timing(stages, total));
  }

  #output(found, said, isNamed) {
    const title = isNamed ? el("h3", {}, said.name) : null;
    if (found.shape) return el("div", { class: "output" }, title, numbers(found));
    const all = ranked(found, said);
    const bars = el("ol", { class: "bars" });
    const more = el("button", { type: "button", class: "quiet", onclick: () => { this.isAll = !this.isAll; fill(); } });
    const fill = () => {
      const shown = all.slice(0, this.isAll ? MOST_ROWS : TOP);
      bars.replaceChildren(...shown.map((one) => row(one, found, all)));
      more.textContent = this.isAll ? `Only the best ${TOP}` : `All ${count(all.length)} classes`;
      more.setAttribute("aria-expanded", String(this.isAll));
    };
    fill();
    return el("div", { class: "output" }, title, headline(found, said), bars, all.length > TOP ? more : null, remark(found, said, all));
  }
}

function empty(card) {
  if (card && card.takes === "numbers") {
    const shapes = card.inputs.map((one) => `${sizes(one.shape)} ${one.dtype}`).join(" and ");
    return `This model takes numbers, not pictures: choose a .npy file of ${shapes}, or post them to its API.`;
  }
  return "Drop a picture on the page, and the answer is here.";
}

/** Return an error in words for who picks files, where it is the file's; the server's words are for who posts them. */
function ofPicture({ name, blob, error }, card) {
  if (!error.isOfBody || name.endsWith(".npy")) return error;
  const wanted = card?.takes === "numbers" ? "This model takes numbers: choose a .npy file." : PICTURES;
  return { title: "Not a picture", message: `${name}${blob.type ? ` (${blob.type})` : ""} cannot be read as a picture. ${wanted}` };
}

/** Return the server's own words on what was wrong. */
export function refusal(error) {
  return el("div", { class: "refusal", role: "alert" }, el("strong", {}, error.title ?? "Error"), el("p", {}, error.message));
}

function ranked(found, said) {
  const values = found.probabilities ?? found.scores;
  const labels = said.labels.value;
  const all = values.map((value, index) => ({ label: labels[index] ?? String(index), index, value }));
  return all.sort((one, other) => (other.value ?? -Infinity) - (one.value ?? -Infinity) || one.index - other.index);
}

function headline(found, said) {
  if (said.head.value === "multi-label") {
    const labels = found.labels.map((one) => el("li", {}, one.label));
    return labels.length ? el("ul", { class: "chips" }, labels) : el("p", { class: "headline" }, "None");
  }
  const value = found.probability === undefined ? short(found.score) : percent(found.probability);
  return el("p", { class: "headline" }, el("strong", { id: "label" }, found.label), " ", el("span", { class: "value" }, value));
}

function row({ label, index, value }, found, all) {
  const isScore = found.scores !== undefined;
  const bar = el("span", { class: "fill" });
  bar.style.width = `${100 * (isScore ? share(value, all) : value ?? 0)}%`;
  const isChosen = found.labels ? found.labels.some((one) => one.index === index) : index === found.index;
  return el("li", { class: isChosen ? "chosen" : null },
    el("span", { class: "name" }, label), el("span", { class: "track" }, bar),
    el("span", { class: "value" }, isScore ? short(value) : percent(value)));
}

function share(value, all) {
  const known = all.map((one) => one.value).filter((one) => one !== null);
  const [high, low] = [Math.max(...known), Math.min(0, ...known)];
  return value === null || high === low ? 0 : (value - low) / (high - low);
}

function remark(found, said, all) {
  const parts = [];
  if (said.head.value === "multi-label") parts.push(`Every class over ${said.threshold} counts; they need not add up to one.`);
  if (said.head.value.startsWith("binary") && said.threshold !== 0.5) parts.push(`${all.find((one) => one.index === 1).label} from ${said.threshold} on.`);
  if (said.head.value === "sigmoid-exclusive") parts.push("A sigmoid for each class: they need not add up to one.");
  if (found.scores !== undefined) parts.push("Scores are no probabilities.");
  return parts.length ? el("p", { class: "hint" }, parts.join(" ")) : null;
}

function numbers(found) {
  return el("p", {}, `A map of ${sizes([null, ...found.shape])} numbers, without classes; see its layer below.`);
}

/** Return the time from asking to having the answer, with the stages that the server tells. */
function timing(stages, total) {
  const known = stages.filter(([, value]) => value >= 0.05);
  const rest = Math.max(0, total - known.reduce((sum, [, value]) => sum + value, 0));
  const parts = [...known, ["rest", rest]];
  const strip = el("div", { class: "strip", "aria-hidden": "true" });
  const items = parts.map(([name, value]) => {
    const piece = el("span", { class: `stage-${name}` });
    piece.style.flexGrow = String(value);
    strip.append(piece);
    return el("li", { class: `stage-${name}` }, `${STAGES[name] ?? name} ${milliseconds(value)}`);
  });
  return el("div", { class: "timing" }, strip, el("ul", {}, el("li", { class: "total" }, `${milliseconds(total)} in all`), items));
}
