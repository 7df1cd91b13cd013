// Changes of the text by the user and the model: edits, writing at the cursor, continuations, alternatives.

import { ApiError, call, isAbort, stream } from "./api.js";
import { History } from "./history.js";
import { inForce, mostTokens, settings, steering } from "./settings.js";
import { sentenceEnds } from "./sentences.js";
import { Aligner, blank, BOUNDARY, characterAt, isWritten, shadesBy } from "./shades.js";
import { modelOf, page, Store } from "./state.js";
import { lineEnd, lineStart, nextWord, replaces, wordAt, WordEnd } from "./words.js";

const OFFER_AFTER = 650; // milliseconds without a keystroke
const COMPLETION = 36; // characters that are offered in grey while one types, or a third as many symbols
const MOST_TO_END = 64; // tokens that are written beyond the length, to end a word
const [WORDS, AMONG] = [8, 20]; // words to choose from, and the likeliest ones among which those that can replace a word are found
const [TRIED, LONGEST] = [24, 200]; // other ways that are tried, and the most tokens of an ending
const [CONTEXT, FOLLOWING] = [100, 60]; // characters before and after by which they are judged
const LARGE_LOSS = 12; // units; a text that loses this much at once is kept as a branch

export const writing = new Store({
  isBusy: false,
  doing: "", // the name of a long operation, for the user
  offers: [], // {text, shades}: the rest of each continuation
  selected: 0,
  isOffering: false,
  revision: 0, // grows with every change of the text or the caret
  complaint: null, // {text, param} of the last request that failed
  choosing: null, // {at, from, to, unit, options, error}: the word or character whose alternatives are shown
  words: [], // the words at the cursor, with their places, if they are shown
});

export class Writer {
  /** `sheet` is set later; `kept` is the history from the browser's storage, or null. */
  constructor(kept) {
    this.history = kept ?? new History();
    this.sheet = null;
    this.abort = null; // of the request that writes into the text
    this.offerAbort = null;
    this.offerAt = -1;
    this.timer = 0;
    this.again = changes => this.write(changes); // repeats the last way of writing
    this.listeners = new Set();
  }

  get text() {
    return this.history.text;
  }

  get caret() {
    return this.sheet?.caret ?? this.text.length;
  }

  /** Call `listener` after each change of the text. */
  listen(listener) {
    this.listeners.add(listener);
  }

  #changed(caret = null) {
    const { text, shades } = this.history;
    this.sheet.show(text, shades, caret);
    this.#notify();
  }

  #notify() {
    writing.set({ revision: writing.get().revision + 1 });
    for (const listener of this.listeners) listener();
  }

  #complain(error) {
    if (isAbort(error)) return;
    if (!(error instanceof ApiError)) throw error;
    writing.set({ complaint: { text: error.message, param: error.param } });
  }

  // Changes by the user.

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

  /** Handle a move of the caret. */
  moved() {
    if (this.caret !== this.offerAt && !writing.get().isBusy) this.dropOffers();
    const { choosing } = writing.get();
    // a click on a space shows the alternatives to the word after it
    if (choosing && (this.caret < Math.min(choosing.at ?? choosing.from, choosing.from) || this.caret > choosing.to)) this.closeAlternatives();
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

  /** Go to a fork: the text of revision `id` up to `at`. The rest stays in the tree. */
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
    this.#interrupt();
    const caret = step();
    if (caret !== null) this.#changed(caret);
  }

  /** Replace the history. The caller has asked the user. */
  open(history) {
    this.#interrupt();
    this.history = history;
    this.#changed(history.text.length);
  }

  // Changes by the model.

  /** Return the prompt at `at`: the text before it, or only the line for a model of lines. */
  promptAt(at) {
    return this.text.slice(this.#isOfLines ? lineStart(this.text, at) : 0, at);
  }

  get #isOfLines() {
    return Boolean(modelOf(page.get())?.afterword?.lines);
  }

  stop() {
    this.abort?.abort();
    this.abort = null;
    this.#abortOffer();
    clearTimeout(this.timer);
    if (writing.get().isBusy || writing.get().isOffering) writing.set({ isBusy: false, doing: "", isOffering: false });
  }

  #abortOffer() {
    this.offerAbort?.abort();
    this.offerAbort = null;
  }

  /** Stop what the model does, and drop what it offers. */
  #interrupt() {
    this.stop();
    this.dropOffers();
    this.closeAlternatives();
  }

  /** Continue the text at the cursor: by the set number of tokens, or without one, to the end of a sentence. */
  async write(changes = {}) {
    const finishes = (settings.get().max_tokens === null || page.get().face === "simple") && inForce("finish_sentence");
    await this.#write(mostTokens(), [], finishes, changes);
  }

  /** True if the model made the last change. */
  get canTryAgain() {
    return this.history.current.kind === "written" && !writing.get().isBusy;
  }

  /** Undo what the model wrote last, and write something else there. Both versions stay in the tree. */
  async another() {
    if (!this.canTryAgain) return;
    this.undo();
    const { seed } = settings.get();
    await this.again(seed === null ? {} : { seed: seed + this.history.current.children.length });
  }

  /** Begin a speech of one of the `speakers`, and continue it. */
  async speak({ head }) {
    this.#interrupt();
    const ends = /\n*$/.exec(this.text.slice(0, this.caret))[0].length;
    const begun = head.slice(Math.min(ends, head.search(/[^\n]/)));
    this.history.seal();
    this.#insert(begun, blank(begun.length), "speaker");
    this.sheet.focus();
    await this.write();
  }

  /** Finish the line, beginning with the selected continuation. */
  async writeLine() {
    const offer = this.#selected();
    if (offer?.text) {
      const end = offer.text.indexOf("\n", offer.text.startsWith("\n") ? 1 : 0);
      this.#take(end < 0 ? offer.text.length : end);
      if (end >= 0) return this.offerSoon();
    }
    const written = await this.#write(mostTokens(), ["\n"]);
    if (written || this.abort) return;
    // the line has ended already: write a new one
    this.#insert("\n", "A", "line");
    await this.#write(mostTokens(), ["\n"]);
  }

  /** Write at the cursor; return the number of units written, or NaN if writing was stopped or failed. */
  async #write(most, stop = [], finishes = false, changes = {}) {
    this.#interrupt();
    this.again = more => this.#write(most, stop, finishes, { ...changes, ...more });
    const abort = (this.abort = new AbortController());
    writing.set({ isBusy: true, doing: "", complaint: null });
    let [from, to] = this.sheet.selection;
    if (from !== to) {
      this.history.keep();
      this.#replace(from, to, "", { kind: "cut" });
    }
    this.history.seal();
    let at = from;
    const aligner = new Aligner(true);
    const body = { ...this.#continuing(at, most), ...changes };
    if (finishes && !body.pattern) [body.max_tokens, body.finish_sentence] = [most, true];
    const ending = new WordEnd(body, most);
    if (stop.length) body.stop = stop;
    try {
      for await (const { choices } of stream(body, abort.signal)) {
        if (abort.signal.aborted) return NaN;
        for (const { text: sent, logprobs, finish_reason: reason } of choices) {
          if (logprobs) aligner.push(logprobs.tokens, logprobs.token_logprobs);
          let text = ending.push(sent, logprobs);
          let shades = aligner.take(text);
          const isEnd = reason === "stop" && this.#isOfLines && !stop.length && !ending.isOver && at === this.text.length;
          if (isEnd) [text, shades] = [text + "\n", shades + "A"]; // the next line is a text of its own
          if (!text) continue;
          const isFollowed = this.caret === at;
          this.history.edit(at, 0, text, { shades, kind: "written", join: true });
          at += text.length;
          this.#changed(isFollowed ? at : null);
        }
        if (ending.isOver) break;
      }
    } catch (error) {
      this.#complain(error);
      return NaN;
    } finally {
      this.history.seal();
      if (this.abort === abort) {
        this.abort = null;
        writing.set({ isBusy: false, doing: "" });
        this.offerSoon();
      }
    }
    return at - from;
  }

  /** Return a request for `most` tokens at `at`, and for some more that end a word. */
  #continuing(at, most) {
    const body = { ...steering(), prompt: this.promptAt(at), max_tokens: most, logprobs: 0, remember: true };
    if (!body.pattern) body.max_tokens = Math.min(most + MOST_TO_END, page.get().mostWritten);
    return body;
  }

  #insert(text, shades, kind) {
    this.#replace(this.caret, this.caret, text, { shades, kind });
  }

  /** Put `text` in the place of the units from `from` to `to`, and the caret behind it. */
  #replace(from, to, text, { shades, kind }) {
    this.history.edit(from, to - from, text, { shades, kind });
    this.#changed(from + text.length);
  }

  /** Shade the whole text by its cost. */
  async shadeAll() {
    this.stop();
    const { text } = this;
    const abort = (this.abort = new AbortController());
    writing.set({ isBusy: true, doing: "Reading the text…", complaint: null });
    const { model, hold, with: which } = steering();
    const isOfLines = this.#isOfLines;
    const isOfSymbols = modelOf(page.get())?.afterword?.vocabulary === "words";
    // a model of lines reads each line separately
    const parts = isOfLines ? text.split("\n") : [text];
    const asked = parts.filter(part => part);
    const body = { model, hold, with: which, prompt: asked, max_tokens: 0, echo: true, logprobs: 0, remember: !isOfLines };
    try {
      let shades;
      if (isOfSymbols && !hold && text.length <= page.get().mostShaded) {
        const fields = { model, text, with: which };
        shades = shadesBy((await call("POST", "/v1/surprises", fields, abort.signal)).surprises, text);
      } else {
        const { choices } = await call("POST", "/v1/completions", body, abort.signal);
        const found = [...choices].sort((a, b) => a.index - b.index).map(({ logprobs }, k) => {
          const aligner = new Aligner(false);
          aligner.push(logprobs.tokens, logprobs.token_logprobs);
          return aligner.take(asked[k]);
        });
        shades = parts.map(part => (part ? found.shift() : "")).join(" ");
      }
      if (abort.signal.aborted || this.text !== text) return;
      this.history.shade(this.#asWritten(shades));
      this.#changed();
      settings.set({ isShaded: true });
    } catch (error) {
      this.#complain(error);
    } finally {
      if (this.abort === abort) {
        this.abort = null;
        writing.set({ isBusy: false, doing: "" });
      }
    }
  }

  /** Return `shades`, marked where the model wrote the text. */
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
      const isSimple = page.get().face === "simple";
      const enough = offers.length >= (isSimple ? 1 : settings.get().offers) && offers.every(({ text }) => text);
      const isWithin = isSimple && this.text.slice(to, lineEnd(this.text, to)).trim();
      const isWanted = document.activeElement === this.sheet.area && from === to && this.text && !isWithin;
      if (isWanted && !isBusy && !isOffering && !choosing && !enough) this.offer();
    }, OFFER_AFTER);
  }

  /** Fetch continuations at the cursor; in the simple view, the likeliest one. The rest of the selected one stays and becomes the first. */
  async offer() {
    this.stop();
    const at = this.caret;
    const first = this.#selected();
    const abort = (this.offerAbort = new AbortController());
    const isSimple = page.get().face === "simple";
    const old = first?.text && !isSimple ? [first] : [];
    const n = isSimple ? 1 : Math.max(1, settings.get().offers - old.length);
    const fresh = Array.from({ length: n }, () => ({ text: "", shades: "" }));
    const aligners = fresh.map(() => new Aligner(true));
    const isOfSymbols = modelOf(page.get())?.afterword?.vocabulary === "words";
    const length = !isSimple ? settings.get().offerLength : isOfSymbols ? COMPLETION / 3 : COMPLETION;
    const body = { ...this.#continuing(at, length), n };
    if (isSimple) Object.assign(body, { temperature: 0, repetition_penalty: 1 }); // the likeliest
    const endings = fresh.map(() => new WordEnd(body, length));
    this.offerAt = at;
    writing.set({ isOffering: true, complaint: null, offers: [...old, ...fresh], selected: 0 });
    const isOfLines = this.#isOfLines;
    try {
      for await (const { choices } of stream(body, abort.signal)) {
        if (abort.signal.aborted) return;
        for (const { index, text: sent, logprobs, finish_reason: reason } of choices) {
          const [offer, ending] = [fresh[index], endings[index]];
          const text = ending.push(sent, logprobs);
          if (logprobs) aligners[index].push(logprobs.tokens, logprobs.token_logprobs);
          offer.shades += aligners[index].take(text);
          offer.text += text;
          if (reason === "stop" && isOfLines && !ending.isOver) [offer.text, offer.shades] = [offer.text + "\n", offer.shades + "A"];
        }
        // the entries were changed in place: a new array makes listeners draw again
        writing.set({ offers: [...writing.get().offers] });
        if (endings.every(({ isOver }) => isOver)) break;
      }
    } catch (error) {
      if (this.offerAbort === abort) {
        // otherwise it was aborted, and what is offered now is not its own
        this.dropOffers();
        this.#complain(error);
      }
    } finally {
      if (!this.offerAbort || this.offerAbort === abort) {
        this.offerAbort = null;
        const left = distinct(writing.get().offers.filter(({ text }) => text));
        writing.set({ isOffering: false, offers: left, selected: Math.min(writing.get().selected, Math.max(0, left.length - 1)) });
      }
    }
  }

  dropOffers() {
    this.#abortOffer();
    this.offerAt = -1;
    if (writing.get().offers.length || writing.get().isOffering) writing.set({ offers: [], selected: 0, isOffering: false });
  }

  select(index) {
    const { offers } = writing.get();
    if (offers.length) writing.set({ selected: (index + offers.length) % offers.length });
  }

  /** The text of the selected continuation, up to its last whole word while it arrives, or "". */
  get offered() {
    const text = this.#selected()?.text ?? "";
    return writing.get().isOffering ? text.replace(/\S+$/, "") : text;
  }

  takeWord() {
    if (this.offered) this.#take(nextWord(this.offered).length);
    this.offerSoon();
  }

  /** Accept a whole continuation. */
  takeOffer(index) {
    this.select(index);
    const offer = this.#selected();
    if (offer?.text) this.#take(offer.text.length);
    this.sheet.focus();
    this.offerSoon();
  }

  /** Insert the first `length` units of the selected continuation into the text. */
  #take(length) {
    const offer = this.#selected();
    const [text, shades] = [offer.text.slice(0, length), offer.shades.slice(0, length)];
    const at = this.caret;
    this.#abortOffer(); // the next continuations replace the rest
    this.#advance(text);
    this.#insert(text, shades, "taken");
    this.offerAt = at + text.length;
    writing.set({ isOffering: false });
  }

  /** Drop `text`, typed or accepted, from the start of the continuations; return whether any begins with it. */
  #advance(text) {
    const { offers, selected } = writing.get();
    const first = offers[selected];
    const left = offers.filter(offer => offer.text.startsWith(text) && offer.text.length > text.length);
    if (text && left.length) {
      this.#abortOffer();
      for (const offer of left) {
        [offer.text, offer.shades] = [offer.text.slice(text.length), offer.shades.slice(text.length)];
      }
      this.offerAt += text.length;
    }
    const isLeft = Boolean(text) && left.length > 0;
    writing.set({ offers: isLeft ? left : [], selected: Math.max(0, left.indexOf(first)), isOffering: false });
    return isLeft;
  }

  // Alternatives.

  /** Show the alternatives to the character at `index`. */
  async choose(index) {
    if (index < 0 || index >= this.text.length) return this.closeAlternatives();
    const isWord = settings.get().unit === "words";
    await this.#choose(index, ...(isWord ? wordAt(this.text, index + 1) : characterAt(this.history.shades, index)));
  }

  /** Return [from, to] of the word at the cursor, which another may replace; at the end of a line, where the next would be. */
  get here() {
    const { caret, text } = this;
    return text.slice(caret, lineEnd(text, caret)).trim() ? wordAt(text, caret) : [caret, caret];
  }

  /** Show the alternatives at the cursor, which the settings show too: to the character after it, if there is one. */
  async chooseNext() {
    const { caret, text } = this;
    if (this.canRephrase) return this.rephrase();
    if (settings.get().unit === "words") return this.#choose(null, ...this.here);
    await this.#choose(null, caret, caret < text.length ? characterAt(this.history.shades, caret)[1] : caret);
  }

  /** Show words or characters as alternatives from now on. */
  async chooseAmong(unit) {
    const { at } = writing.get().choosing;
    settings.set({ unit });
    await (at === null ? this.chooseNext() : this.choose(at));
  }

  /** Show other ways to say what is selected, those first that fit best between the text before and after. */
  async rephrase() {
    const [from, to] = this.selected;
    await this.#choose(null, from, to, "ways", () => this.#ways(from, to, false));
  }

  /** Show other ends of the sentence at the cursor, in the same order. */
  async ending() {
    const { text } = this;
    const from = Math.max(this.caret, this.here[1]);
    const line = lineEnd(text, from);
    const to = this.#isOfLines ? line : (sentenceEnds(text).find(end => end > from) ?? line);
    await this.#choose(null, from, to, "ways", () => this.#ways(from, to, true));
  }

  /** Whether some words are selected. */
  get canRephrase() {
    return /\S\s+\S/.test(this.text.slice(...this.selected));
  }

  /** Return [from, to] of what is selected, without the spaces around it. */
  get selected() {
    const [from, to] = this.sheet?.selection ?? [0, 0];
    const inner = this.text.slice(from, to);
    return [to - inner.trimStart().length, from + inner.trimEnd().length];
  }

  /**
   * Return {text, nats} of other texts for the one from `from` to `to`, with that one among them. `nats` is the cost of what
   * follows, and of the text itself as if each were as long as the old one: so the best one fits to both sides.
   */
  async #ways(from, to, isEnding) {
    const [old, before] = [this.text.slice(from, to), this.promptAt(from)];
    const after = this.text.slice(to, this.#isOfLines ? lineEnd(this.text, to) : to + FOLLOWING);
    const tail = /\p{P}*$/u.exec(old)[0];
    const { pattern, ...body } = { ...steering(), prompt: before, n: TRIED, stop: ["\n"], max_tokens: isEnding ? LONGEST : 2 * old.length };
    if (isEnding && !this.#isOfLines) body.sentences = 1;
    const written = await call("POST", "/v1/completions", body);
    const marks = /[.!?"“”]/;
    const isOne = text => text && (!marks.test(text) || marks.test(old.slice(0, old.length - tail.length))); // clause
    const texts = isEnding
      ? written.choices.filter(one => one.finish_reason === "stop").map(({ text }) => text.trimEnd())
      : written.choices.map(({ text }) => piece(text, old.length)).filter(isOne).map(text => text + tail);
    const found = [...new Set([old, ...texts])].filter(Boolean);
    const read = before.slice(-CONTEXT);
    const { model, hold, with: which } = body;
    const asked = { model, hold, with: which, prompt: found.map(text => read + text + after), max_tokens: 0, echo: true, logprobs: 0 };
    const { choices } = await call("POST", "/v1/completions", asked);
    const length = text => Array.from(text).length;
    const fits = choices.map(({ index, logprobs: { token_logprobs: costs, text_offset: places } }) => {
      const [begin, end] = [length(read), length(read) + length(found[index])];
      const cost = (low, high) => costs.reduce((sum, one, k) => sum - (places[k] >= low && places[k] < high ? one : 0), 0);
      return { text: found[index], nats: cost(end, Infinity) + (cost(begin, end) * length(old)) / (end - begin) };
    });
    return fits.sort((a, b) => a.nats - b.nats);
  }

  async #choose(at, from, to, unit = settings.get().unit, find = () => this.next([from, to], unit)) {
    if (isLow(this.text.charCodeAt(from))) from -= 1;
    if (isLow(this.text.charCodeAt(to))) to += 1;
    const choosing = { at, from, to, unit, options: null, error: null };
    this.stop();
    this.dropOffers(); // so that Tab leaves the text once the alternatives are closed
    writing.set({ choosing });
    try {
      choosing.options = await find();
    } catch (error) {
      if (isAbort(error)) return;
      choosing.error = error.message;
    }
    if (writing.get().choosing === choosing) writing.set({ choosing: { ...choosing } });
  }

  closeAlternatives() {
    if (writing.get().choosing) writing.set({ choosing: null });
  }

  /**
   * Return the likeliest characters at `from`, with the settings, or words: the next ones, or those that can replace the one up to
   * `to`. Where a text begins, they are those with which a sentence begins.
   */
  async next([from, to], unit, signal) {
    const begins = unit === "words" && !this.#isOfLines && !this.text.slice(0, from).trim();
    const body = { ...steering({ isNext: true }), prompt: begins ? "\n" : this.promptAt(from) };
    if (unit === "words") body.words = begins || from < to ? AMONG : WORDS;
    const { data, words } = await call("POST", "/v1/next", body, signal);
    if (unit !== "words") return data;
    const fit = from < to ? words.filter(one => replaces(one.text, this.text, from, to)) : words;
    const first = begins ? [/^\p{Lu}/u, /^\p{L}/u].map(letter => fit.filter(({ text }) => letter.test(text))).find(some => some.length) : fit;
    return (first ?? fit).slice(0, WORDS);
  }

  /** Put a word in the place of the units from `from` to `to`. The text after it stays. */
  swap({ text, probability }, [from, to]) {
    this.#interrupt();
    if (from < to) this.history.keep();
    this.#replace(from, to, text, { shades: shadesOfOne(text, probability), kind: "picked" });
    this.sheet.focus();
    this.offerSoon();
  }

  /** Replace a character by one of its alternatives and continue from there. The old text stays in the tree. */
  async pick({ text, token, probability }) {
    const { choosing } = writing.get();
    if (!choosing) return;
    const { from, to, unit } = choosing;
    if (unit !== "characters") return this.swap({ text, probability }, [from, to]);
    this.#interrupt();
    const inserted = token === BOUNDARY ? "\n" : text;
    const end = this.#isOfLines ? lineEnd(this.text, from) : this.text.length; // other lines are texts of their own
    this.history.keep();
    this.#replace(from, end, inserted, { shades: shadesOfOne(inserted, probability), kind: "written" });
    this.sheet.focus();
    await this.#write(mostTokens());
  }

  /** Insert a character of the distribution at the cursor. */
  put({ text, token, probability }) {
    const inserted = token === BOUNDARY ? "\n" : text;
    if (!inserted) return;
    this.#interrupt();
    this.#insert(inserted, shadesOfOne(inserted, probability), "picked");
    this.offerSoon();
  }
}

const isLow = unit => unit >= 0xdc00 && unit < 0xe000; // the second half of a character

/** Return the shades of a token that the user chose. */
function shadesOfOne(text, probability = 1) {
  const aligner = new Aligner(true);
  aligner.push([text], [Math.log(probability)]);
  return aligner.take(text);
}

/** Return the beginning of `text` that ends with a word, at punctuation if it can, and is about `length` long; or "". */
function piece(text, length) {
  const ends = [];
  for (let end = 0, word; (word = nextWord(text.slice(end))); ) ends.push((end += word.length));
  const rank = end => Math.abs(end - length) - length * /\p{P}\s*$/u.test(text.slice(0, end));
  const [best] = ends.filter(end => end > length / 2 && end < 1.6 * length).sort((a, b) => rank(a) - rank(b));
  return text.slice(0, best ?? 0).replace(/[\s\p{P}]+$/u, "");
}

const distinct = offers => offers.filter(({ text }, k) => offers.findIndex(other => other.text === text) === k);
