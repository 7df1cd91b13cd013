// What the writer and the model do to the text: edits, writing at the cursor, continuations to pick from, alternatives.

import { ApiError, call, isAbort, stream } from "./api.js";
import { History } from "./history.js";
import { mostTokens, settings, steering } from "./settings.js";
import { Aligner, BOUNDARY, blank, endOfWritten, isWritten, tokenAt } from "./shades.js";
import { modelOf, page, Store } from "./state.js";
import { lineStart, nextWord } from "./words.js";

const OFFER_AFTER = 650; // milliseconds without a stroke
const GO_ON_LEAST = 80; // tokens that are written after another character was picked
const LARGE_LOSS = 12; // units; a text from which so much is taken at once is kept among those that were tried

export const writing = new Store({
  isBusy: false,
  isReading: false, // all of the text, to shade it
  offers: [], // {text, shades, ended}: what is left of each continuation
  selected: 0,
  isOffering: false,
  revision: 0, // grows with every change of the text or of the place in it
  complaint: null, // {text, param} of the last request that failed
  choosing: null, // {from, to, options, error}: the character whose alternatives are shown
});

export class Writer {
  /** `sheet` is set once it is there; `kept` is the history that was found in the browser. */
  constructor(kept) {
    this.history = kept ?? new History();
    this.sheet = null;
    this.abort = null; // of what writes into the text
    this.offerAbort = null;
    this.offerAt = -1;
    this.timer = 0;
    this.listeners = new Set();
  }

  get text() {
    return this.history.text;
  }

  get caret() {
    return this.sheet?.caret ?? this.text.length;
  }

  /** `listener` hears of each change of the text. */
  listen(listener) {
    this.listeners.add(listener);
  }

  #changed(caret = null) {
    const { text, shades } = this.history;
    this.sheet.show(text, shades, caret);
    this.#told();
  }

  #told() {
    writing.set({ revision: writing.get().revision + 1 });
    for (const listener of this.listeners) listener();
  }

  #complain(error) {
    if (isAbort(error)) return;
    if (!(error instanceof ApiError)) throw error;
    writing.set({ complaint: { text: error.message, param: error.param } });
  }

  // What the writer does.

  edited(at, removed, inserted) {
    this.stop();
    this.closeAlternatives();
    if (removed >= LARGE_LOSS) this.history.keep();
    const goesAlong = !removed && at === this.offerAt && this.#advance(inserted);
    this.history.edit(at, removed, inserted);
    if (!goesAlong) this.dropOffers();
    this.#changed();
    this.offerSoon();
  }

  /** The caret went elsewhere. */
  moved() {
    if (this.caret !== this.offerAt && !writing.get().isBusy) this.dropOffers();
    const { choosing } = writing.get();
    if (choosing && (this.caret < choosing.from || this.caret > choosing.to)) this.closeAlternatives();
    writing.set({ revision: writing.get().revision + 1 });
    if (!writing.get().isBusy) this.offerSoon();
  }

  undo() {
    this.#travel(() => this.history.undo());
  }

  redo() {
    this.#travel(() => this.history.redo());
  }

  /** Go to another text of the tree. */
  go(id) {
    this.#travel(() => this.history.go(id));
  }

  /** Go to a fork: the text of revision `id` up to `at`, of which the rest stays in the tree. */
  goToFork(id, at) {
    this.#travel(() => {
      this.history.go(id);
      this.history.keep();
      this.history.edit(at, this.text.length - at, "", { kind: "cut" });
      this.history.seal();
      return at;
    });
  }

  #travel(step) {
    this.stop();
    this.dropOffers();
    this.closeAlternatives();
    const caret = step();
    if (caret !== null) this.#changed(caret);
  }

  /** Put another history into the place of this one; who asks has warned. */
  open(history) {
    this.stop();
    this.dropOffers();
    this.closeAlternatives();
    this.history = history;
    this.#changed(history.text.length);
  }

  // What the model does.

  /** What the model reads before the place `at`: the text, or of a model of lines the line. */
  promptAt(at) {
    const isOfLines = modelOf(page.get())?.afterword?.lines;
    return this.text.slice(isOfLines ? lineStart(this.text, at) : 0, at);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.offerAbort?.abort();
    this.offerAbort = null;
    clearTimeout(this.timer);
    if (writing.get().isBusy || writing.get().isOffering) writing.set({ isBusy: false, isReading: false, isOffering: false });
  }

  /** Write on at the cursor. */
  async write() {
    await this.#write(mostTokens());
  }

  /** Write to the end of the line, beginning with the continuation that is selected. */
  async writeLine() {
    const offer = this.#selected();
    if (offer?.text) {
      const end = offer.text.indexOf("\n", offer.text.startsWith("\n") ? 1 : 0);
      this.#take(end < 0 ? offer.text.length : end);
      if (end >= 0) return this.offerSoon();
    }
    const written = await this.#write(mostTokens(), ["\n"]);
    if (written || this.abort) return;
    // the line has ended already: so a new one it is
    this.#insert("\n", "A", "line");
    await this.#write(mostTokens(), ["\n"]);
  }

  /** Stream into the text at the cursor; how much was written, or NaN where that was stopped or failed. */
  async #write(most, stop = []) {
    this.stop();
    this.dropOffers();
    this.closeAlternatives();
    const abort = (this.abort = new AbortController());
    writing.set({ isBusy: true, complaint: null });
    let [from, to] = this.sheet.selection;
    if (from !== to) {
      this.history.keep();
      this.history.edit(from, to - from, "", { kind: "cut" });
      this.#changed(from);
    }
    this.history.seal();
    let at = from;
    const aligner = new Aligner(true);
    const body = { ...steering(), prompt: this.promptAt(at), max_tokens: most, logprobs: 0, remember: true };
    if (stop.length) body.stop = stop;
    try {
      for await (const { choices } of stream(body, abort.signal)) {
        if (abort.signal.aborted) return NaN;
        for (const { text, logprobs } of choices) {
          if (logprobs) aligner.push(logprobs.tokens, logprobs.token_logprobs);
          if (!text) continue;
          const isFollowed = this.caret === at;
          this.history.edit(at, 0, text, { shades: aligner.take(text), kind: "written", join: true });
          at += text.length;
          this.#changed(isFollowed ? at : null);
        }
      }
    } catch (error) {
      this.#complain(error);
      return NaN;
    } finally {
      this.history.seal();
      if (this.abort === abort) {
        this.abort = null;
        writing.set({ isBusy: false });
        this.offerSoon();
      }
    }
    return at - from;
  }

  #insert(text, shades, kind) {
    const at = this.caret;
    this.history.edit(at, 0, text, { shades, kind });
    this.#changed(at + text.length);
  }

  /** Shade all of the text by what it costs the model. */
  async shadeAll() {
    this.stop();
    const { text } = this;
    if (!text) return;
    const abort = (this.abort = new AbortController());
    writing.set({ isBusy: true, isReading: true, complaint: null });
    const { model, hold, with: which } = steering();
    const isOfLines = modelOf(page.get())?.afterword?.lines;
    // a model of lines reads each by itself
    const parts = isOfLines ? text.split("\n") : [text];
    const asked = parts.filter(part => part);
    const body = { model, prompt: asked, max_tokens: 0, echo: true, logprobs: 0, remember: !isOfLines };
    if (hold) body.hold = hold;
    if (which) body.with = which;
    try {
      const { choices } = await call("POST", "/v1/completions", body, abort.signal);
      if (abort.signal.aborted || this.text !== text) return;
      const found = [...choices].sort((a, b) => a.index - b.index).map(({ logprobs }, k) => {
        const aligner = new Aligner(false);
        aligner.push(logprobs.tokens, logprobs.token_logprobs);
        return aligner.take(asked[k]);
      });
      const shades = parts.map(part => (part ? found.shift() : "")).join(" ");
      this.history.shade(this.#asWritten(shades));
      this.#changed();
      settings.set({ isShaded: true });
    } catch (error) {
      this.#complain(error);
    } finally {
      if (this.abort === abort) {
        this.abort = null;
        writing.set({ isBusy: false, isReading: false });
      }
    }
  }

  /** New shades of the text, which still say what the model wrote. */
  #asWritten(shades) {
    const before = this.history.shades;
    return Array.from(shades, (shade, k) => {
      if (!isWritten(before[k])) return shade;
      return shade === "." ? ":" : shade === " " ? before[k] : shade.toUpperCase();
    }).join("");
  }

  // Continuations.

  #selected() {
    const { offers, selected } = writing.get();
    return this.offerAt === this.caret ? offers[selected] : undefined;
  }

  offerSoon() {
    clearTimeout(this.timer);
    if (!settings.get().offersByThemselves || page.get().tab !== "write") return;
    this.timer = setTimeout(() => {
      const [from, to] = this.sheet.selection;
      const { isBusy, offers, isOffering, choosing } = writing.get();
      const enough = offers.length >= settings.get().offers && offers.every(({ text }) => text);
      const isWanted = document.activeElement === this.sheet.area && from === to && this.text;
      if (isWanted && !isBusy && !isOffering && !choosing && !enough) this.offer();
    }, OFFER_AFTER);
  }

  /** Fetch continuations of the text up to the cursor. What is left of the selected one stays, as the first. */
  async offer() {
    this.stop();
    const at = this.caret;
    const first = this.#selected();
    const old = first?.text ? [first] : [];
    const abort = (this.offerAbort = new AbortController());
    const n = Math.max(1, settings.get().offers - old.length);
    const fresh = Array.from({ length: n }, () => ({ text: "", shades: "", ended: false }));
    const aligners = fresh.map(() => new Aligner(true));
    this.offerAt = at;
    writing.set({ isOffering: true, complaint: null, offers: [...old, ...fresh], selected: 0 });
    const body = {
      ...steering(),
      prompt: this.promptAt(at),
      max_tokens: settings.get().offerLength,
      n,
      logprobs: 0,
      remember: true,
    };
    const isOfLines = modelOf(page.get())?.afterword?.lines;
    try {
      for await (const { choices } of stream(body, abort.signal)) {
        if (abort.signal.aborted) return;
        for (const { index, text, logprobs, finish_reason: reason } of choices) {
          const offer = fresh[index];
          if (logprobs) aligners[index].push(logprobs.tokens, logprobs.token_logprobs);
          offer.shades += aligners[index].take(text);
          offer.text += text;
          if (reason) offer.ended = true;
          if (reason === "stop" && isOfLines) [offer.text, offer.shades] = [offer.text + "\n", offer.shades + "A"];
        }
        // one array, whose entries grow: who listens is to draw it again
        writing.set({ offers: [...writing.get().offers] });
      }
    } catch (error) {
      this.dropOffers();
      this.#complain(error);
    } finally {
      if (this.offerAbort === abort) {
        this.offerAbort = null;
        const left = distinct(writing.get().offers.filter(({ text }) => text));
        writing.set({ isOffering: false, offers: left, selected: Math.min(writing.get().selected, Math.max(0, left.length - 1)) });
      }
    }
  }

  dropOffers() {
    this.offerAbort?.abort();
    this.offerAbort = null;
    this.offerAt = -1;
    if (writing.get().offers.length || writing.get().isOffering) {
      writing.set({ offers: [], selected: 0, isOffering: false });
    }
  }

  select(index) {
    const { offers } = writing.get();
    if (offers.length) writing.set({ selected: (index + offers.length) % offers.length });
  }

  /** Whether there is a continuation of which a word can be taken. */
  get hasOffer() {
    return Boolean(this.#selected()?.text);
  }

  takeWord() {
    const offer = this.#selected();
    if (offer?.text) this.#take(nextWord(offer.text).length);
    this.offerSoon();
  }

  /** Take a continuation to its end. */
  takeOffer(index) {
    this.select(index);
    const offer = this.#selected();
    if (offer?.text) this.#take(offer.text.length);
    this.sheet.focus();
    this.offerSoon();
  }

  /** Take the first `length` units of the selected continuation into the text. */
  #take(length) {
    const offer = this.#selected();
    const [text, shades] = [offer.text.slice(0, length), offer.shades.slice(0, length)];
    const at = this.caret;
    this.offerAbort?.abort(); // what it would still have written comes with the next ones
    this.offerAbort = null;
    this.#advance(text);
    this.#insert(text, shades, "taken");
    this.offerAt = at + text.length;
    writing.set({ isOffering: false });
  }

  /** Go on in the continuations by `text`, which was typed or taken; whether any of them goes on so. */
  #advance(text) {
    const { offers, selected } = writing.get();
    const first = offers[selected];
    const left = offers.filter(offer => offer.text.startsWith(text) && offer.text.length > text.length);
    if (text && left.length) {
      this.offerAbort?.abort();
      this.offerAbort = null;
      for (const offer of left) {
        [offer.text, offer.shades] = [offer.text.slice(text.length), offer.shades.slice(text.length)];
      }
      this.offerAt += text.length;
    }
    const goesOn = Boolean(text) && left.length > 0;
    writing.set({ offers: goesOn ? left : [], selected: Math.max(0, left.indexOf(first)), isOffering: false });
    return goesOn;
  }

  // Alternatives.

  /** Show what else could have stood at `index`. */
  async choose(index) {
    if (index < 0 || index >= this.text.length || this.history.shades[index] === " ") return this.closeAlternatives();
    const [from, to] = tokenAt(this.history.shades, index);
    const choosing = { from, to, options: null, error: null };
    writing.set({ choosing });
    this.stop();
    try {
      const { data } = await this.next(from);
      choosing.options = data;
    } catch (error) {
      if (isAbort(error)) return;
      choosing.error = error.message;
    }
    if (writing.get().choosing === choosing) writing.set({ choosing: { ...choosing } });
  }

  closeAlternatives() {
    if (writing.get().choosing) writing.set({ choosing: null });
  }

  /** The likeliest next tokens after the text up to `at`, as the settings leave them. */
  async next(at, signal) {
    const { model, temperature, top_k, top_p, min_p, hold, with: which } = steering();
    const body = { model, prompt: this.promptAt(at), temperature, top_k, top_p, min_p, hold, with: which };
    return call("POST", "/v1/next", body, signal); // JSON leaves out what is undefined
  }

  /** Put one of the alternatives into its place, and go on from there. What the model wrote after it goes. */
  async pick({ text, token, probability }) {
    const { choosing } = writing.get();
    if (!choosing) return;
    const { from } = choosing;
    this.closeAlternatives();
    this.stop();
    this.dropOffers();
    const inserted = token === BOUNDARY ? "\n" : text;
    const { shades } = this.history;
    const end = isWritten(shades[from]) ? endOfWritten(shades, from) : choosing.to;
    this.history.keep();
    const aligner = new Aligner(true);
    aligner.push([inserted], [Math.log(probability)]);
    this.history.edit(from, end - from, inserted, { shades: aligner.take(inserted), kind: "written" });
    this.#changed(from + inserted.length);
    this.sheet.focus();
    await this.#write(Math.max(GO_ON_LEAST, end - from));
  }

  /** Write a token of the distribution at the cursor. */
  put({ text, token, probability }) {
    const inserted = token === BOUNDARY ? "\n" : text;
    if (!inserted) return;
    this.stop();
    this.dropOffers();
    const aligner = new Aligner(true);
    aligner.push([inserted], [Math.log(probability)]);
    this.#insert(inserted, aligner.take(inserted), "written");
    this.offerSoon();
  }
}

function distinct(offers) {
  return offers.filter(({ text }, k) => offers.findIndex(other => other.text === text) === k);
}
