// Owns the request at hand as curl, Python and JavaScript, to be copied.

import { el, option, say } from "./dom.js";

const LANGUAGES = { curl: "curl", python: "Python", javascript: "JavaScript" };
const KINDS = { predict: "the answer", preview: "what the model sees", explain: "the heat map", activations: "a layer" };
const SAVED = { preview: "seen.png", explain: "heat-map.png", activations: "layer.png" };

export class CodeView {
  constructor(root, api) {
    Object.assign(this, { api, asked: {}, picture: null, language: "curl" });
    this.kind = el("select", { id: "code-kind", onchange: () => this.#draw() });
    this.tabs = Object.entries(LANGUAGES).map(([name, text]) => this.#tab(name, text));
    this.text = el("code", {});
    this.pane = el("pre", { id: "code-pane", role: "tabpanel", tabindex: 0, "aria-labelledby": "tab-curl" }, this.text);
    this.copy = el("button", { type: "button", id: "code-copy", onclick: () => this.#copy() }, "Copy");
    this.save = el("a", { class: "quiet button", hidden: true }, "Save the picture");
    this.note = el("p", { class: "hint" });
    root.append(
      el("div", { class: "row" },
        el("p", { class: "field" }, el("label", { for: "code-kind" }, "For"), this.kind),
        el("div", { class: "tabs", role: "tablist", "aria-label": "Language" }, this.tabs), this.copy, this.save),
      this.pane, this.note);
  }

  /** Take the model's address and the picture that are asked about; null for none. */
  setLook(path, picture) {
    this.asked = path ? { predict: `${path}/predict`, preview: `${path}/preview` } : {};
    this.picture = picture;
    this.#draw();
  }

  /** Take note of a request that was made: its kind is the last part of its address. */
  noted(path) {
    this.asked[/\/(\w+)\?/.exec(path)[1]] = path;
    this.#draw();
  }

  #tab(name, text) {
    return el("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "code-pane", "aria-selected": String(name === this.language),
      tabindex: name === this.language ? 0 : -1, onclick: () => this.#choose(name), onkeydown: (event) => this.#step(event),
    }, text);
  }

  #step(event) {
    const names = Object.keys(LANGUAGES);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    this.#choose(names.at((names.indexOf(this.language) + by) % names.length));
  }

  #choose(name) {
    this.language = name;
    for (const tab of this.tabs) {
      const isChosen = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      if (isChosen) tab.focus();
    }
    this.pane.setAttribute("aria-labelledby", `tab-${name}`);
    this.#draw();
  }

  #draw() {
    const chosen = this.kind.value in this.asked ? this.kind.value : "predict";
    this.kind.replaceChildren(...Object.keys(this.asked).map((kind) => option(kind, KINDS[kind], kind === chosen)));
    const path = this.asked[chosen];
    this.text.textContent = path ? WRITERS[this.language](this.#request(chosen, path)) : "";
    this.save.hidden = !this.picture;
    if (this.picture) Object.assign(this.save, { href: this.picture.url, download: this.picture.name });
    this.note.textContent = this.api.key ? "The key is read from the environment variable CONVOY_KEY." : "";
  }

  #request(kind, path) {
    const file = this.picture?.name ?? "picture.jpg";
    return { url: this.api.url(path), file, saved: SAVED[kind] ?? null, hasKey: Boolean(this.api.key) };
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
    } catch {
      getSelection().selectAllChildren(this.text); // where the page is not on HTTPS or this machine
      document.execCommand("copy");
    }
    this.copy.textContent = "Copied";
    say(`Copied as ${LANGUAGES[this.language]}`);
    setTimeout(() => { this.copy.textContent = "Copy"; }, 1500);
  }
}

const WRITERS = {
  curl({ url, file, saved, hasKey }) {
    const key = hasKey ? ' -H "Authorization: Bearer $CONVOY_KEY"' : "";
    return `curl${key} --data-binary ${quoted(`@${file}`)} ${quoted(url)}${saved ? ` -o ${saved}` : ""}`;
  },

  python({ url, file, saved, hasKey }) {
    const headers = hasKey ? ', headers={"Authorization": f"Bearer {os.environ[\'CONVOY_KEY\']}"}' : "";
    const result = saved ? `pathlib.Path(${JSON.stringify(saved)}).write_bytes(answer.content)` : "print(answer.json())";
    return [
      ...(hasKey ? ["import os"] : []), ...(saved ? ["import pathlib"] : []), ...(hasKey || saved ? [""] : []),
      "import requests", "",
      `with open(${JSON.stringify(file)}, "rb") as picture:`,
      `    answer = requests.post(${JSON.stringify(url)}, data=picture${headers}, timeout=60)`,
      "answer.raise_for_status()", result,
    ].join("\n");
  },

  javascript({ url, file, saved, hasKey }) {
    const headers = hasKey ? ", headers: { Authorization: `Bearer ${process.env.CONVOY_KEY}` }" : "";
    const result = saved
      ? `await writeFile(${JSON.stringify(saved)}, Buffer.from(await answer.arrayBuffer()));`
      : "console.log(await answer.json());";
    return [
      `import { ${saved ? "readFile, writeFile" : "readFile"} } from "node:fs/promises";`, "",
      `const body = await readFile(${JSON.stringify(file)}); // in a browser: a File of an <input>`,
      `const answer = await fetch(${JSON.stringify(url)}, { method: "POST", body${headers} });`,
      "if (!answer.ok) throw new Error(await answer.text());", result,
    ].join("\n");
  },
};

/** Return a word for a POSIX shell. */
function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
