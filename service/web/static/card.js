// Owns the model card: what is known of the model, each value of its preprocessing with where it came from.

import { bytes, count, el, notes, sizes } from "./dom.js";

const SOURCES = {
  sidecar: "said in model.toml",
  graph: "read off the model",
  guess: "guessed",
  default: "a default",
};

export function drawCard(root, card) {
  root.replaceChildren(
    notes(card.warnings) ?? "",
    notes(card.hints, "hint-list") ?? "",
    el("h3", {}, "Model"), facts(factsOf(card)),
    el("h3", {}, "Preprocessing"), ...card.inputs.flatMap((one) => preprocessing(one, card.inputs.length > 1)),
    el("h3", {}, "Outputs"), ...card.outputs.map(output),
    Object.keys(card.provenance).length ? el("h3", {}, "Provenance") : "", facts(Object.entries(card.provenance)),
  );
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts-list" }, known.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, shown(value))]));
}

function factsOf(card) {
  const { source } = card;
  return [
    ["parameters", count(card.parameters)],
    ["engine", card.engine],
    ["file", `${source.file}, ${bytes(source.bytes)}, written by ${source.written_by}`],
    ["mended", source.repairs?.join(" ")],
    ["agrees with Keras", card.verification.map((one) => `within ${one.max_relative.toExponential(1)} in ${one.cases} cases, ${one.compared}`).join("; ")],
    ["maps to vector", card.maps_to_vector.text],
    ["SHA-256", source.sha256],
  ];
}

function preprocessing(input, isNamed) {
  const title = el("p", {}, isNamed ? el("code", {}, input.name) : null, isNamed ? " " : null, `takes ${sizes(input.shape)} ${input.dtype}`);
  if (!input.preprocessing) return [title, el("p", { class: "hint" }, "It takes numbers alone.")];
  const rows = Object.entries(input.preprocessing).map(([name, { value, source }]) =>
    el("tr", {}, el("th", { scope: "row" }, name === "size" ? "size (height × width)" : name), el("td", {}, shown(value)), el("td", { class: `source ${source}` }, SOURCES[source] ?? source)));
  const head = el("tr", {}, ["setting", "value", "where from"].map((text) => el("th", { scope: "col" }, text)));
  return [title, el("table", {}, el("thead", {}, head), el("tbody", {}, rows))];
}

function output(one) {
  const classes = one.classes ? `${count(one.classes)} classes` : "no classes";
  const labels = one.labels ? `, labels ${one.labels.source === "default" ? "numbered" : `from ${one.labels.file ?? "model.toml"}`}` : "";
  return el("p", {}, el("code", {}, one.name), `: ${sizes(one.shape)} numbers, ${classes}${labels}; head ${one.head.value} (${SOURCES[one.head.source]})`);
}

/** Return a value as text; an address as a link. */
function shown(value) {
  const text = typeof value === "object" && value !== null ? written(value) : String(value);
  const parts = text.split(/(https?:\/\/[^\s,)]+)/);
  return el("span", {}, parts.map((part, index) => (index % 2 ? el("a", { href: part, rel: "noreferrer" }, part) : part)));
}

function written(value) {
  if (Array.isArray(value)) return value.map((one) => one ?? "free").join("×");
  return Object.entries(value).map(([name, one]) => `${name} ${Array.isArray(one) ? one.join(", ") : one}`).join("; ");
}
