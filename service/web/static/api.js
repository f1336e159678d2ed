// Owns asking the server: addresses, the key, its errors, and noticing that it has gone and is back.

const KEY = "convoy-key";
const SENDABLE = /^[!-~]+$/;
const AGAIN_MS = 1500;

/** What the server said instead of an answer: its own words, and the status. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.title = problem.title ?? "No answer";
    this.isOfBody = [400, 415].includes(status);
  }
}

/** No answer came at all. */
export class Gone extends Error {
  constructor() {
    super("The server does not answer.");
    this.title = "No answer";
  }
}

export class Api {
  /** `onGone` is called when the server stops answering, `onBack` when it is there again, `onKey` when it wants a key. */
  constructor(root, { onGone, onBack, onKey }) {
    this.root = new URL(root, document.baseURI);
    this.onGone = onGone;
    this.onBack = onBack;
    this.onKey = onKey;
    this.isGone = false;
  }

  get key() {
    const kept = sessionStorage.getItem(KEY) ?? "";
    return SENDABLE.test(kept) ? kept : null;
  }

  /** Keep a key for this tab, and return whether it can be one: other letters cannot be sent in a header. */
  takeKey(text) {
    if (!SENDABLE.test(text)) {
      sessionStorage.removeItem(KEY);
      return false;
    }
    sessionStorage.setItem(KEY, text);
    return true;
  }

  url(path) {
    return new URL(path, this.root).href;
  }

  /** Return a good answer; raise Refusal for any other one, Gone for none. */
  async ask(path, { method = "GET", body = null, accept = "application/json", signal = null } = {}) {
    const headers = { Accept: accept };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    let answer;
    try {
      answer = await fetch(this.url(path), { method, body, headers, signal, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.#went();
      throw new Gone();
    }
    if (!answer.ok) throw await this.#refusal(answer);
    return answer;
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  async post(path, picture, { accept, signal } = {}) {
    return this.ask(path, { method: "POST", body: picture.blob, accept, signal });
  }

  async #refusal(answer) {
    const problem = await answer.json().catch(() => ({}));
    const refusal = new Refusal(answer.status, problem);
    if (answer.status === 401) this.onKey(this.key ? refusal.message : "");
    return refusal;
  }

  #went() {
    if (this.isGone) return;
    this.isGone = true;
    this.onGone();
    setTimeout(() => this.#look(), AGAIN_MS);
  }

  /** Ask until there is an answer; one that says "not ready" is an answer too. */
  async #look() {
    try {
      await fetch(this.url("readyz"), { cache: "no-store" });
    } catch {
      setTimeout(() => this.#look(), AGAIN_MS);
      return;
    }
    this.isGone = false;
    this.onBack();
  }
}

export const isAbort = (error) => error.name === "AbortError";

/** Return the address of a model's version as the API has it; `version` may be null for the latest. */
export function modelPath(name, version = null) {
  const base = `api/models/${encodeURIComponent(name)}`;
  return version === null ? base : `${base}/versions/${encodeURIComponent(version)}`;
}

/** Return the stages of a Server-Timing header: [["decode", 0.4], …] in milliseconds. */
export function stagesOf(answer) {
  const text = answer.headers.get("Server-Timing") ?? "";
  return [...text.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]);
}
