// The tools at the cursor: the likeliest words or characters, another ending, another speaker.

import { Bars } from "./bars.js";
import { settings, steering } from "./settings.js";
import { page, useOpen, useRequest, useStore } from "./state.js";
import { html, useEffect, useLayoutEffect } from "./vendor/preact.js";
import { lineEnd, speakers, visible } from "./words.js";
import { writing } from "./writer.js";

const SHOWN = 12; // characters
const PAUSE = 120; // milliseconds
const CAST = 20_000; // characters of the text in which speakers are looked for

/** Return in a component what may take the place [from, to] that `placeOf` returns, requested while it `isShown`. */
function useNext(writer, isShown, unit, placeOf) {
  const { revision, isBusy } = useStore(writing);
  const { model, tab, isReached } = useStore(page);
  const { hold } = useStore(settings);
  const { found, error, ask } = useRequest();
  useEffect(() => {
    if (!isShown || isBusy || tab !== "write" || !model || !isReached) return;
    const place = placeOf();
    const next = async signal => {
      try {
        return { options: await writer.next(place, unit, signal), unit, place, revision };
      } catch (error) {
        if (!hold.length || error.status !== 400) throw error;
        writing.set({ complaint: { text: error.message, param: "hold" } }); // the server can refuse nothing else in this request
        return null;
      }
    };
    const timer = setTimeout(() => ask(next), PAUSE);
    return () => clearTimeout(timer);
  }, [revision, isBusy, isShown, unit, model, tab, isReached, JSON.stringify(steering({ isNext: true }))]);
  return { found, error };
}

/** The switch between words and characters. */
export function Units({ unit, choose }) {
  return html`<span class="choice" role="group" aria-label="Alternatives">${["words", "characters"].map(
    one => html`<button aria-pressed=${String(one === unit)} onClick=${() => choose(one)}>${one}</button>`)}</span>`;
}

/** The distribution of the next word or character, next to the settings. */
export function Next({ writer, details }) {
  const { unit } = useStore(settings);
  const { face } = useStore(page);
  const isShown = useOpen(details) && face === "all";
  const { found, error } = useNext(writer, isShown, unit, () => [writer.caret, writer.caret]);
  const isWord = found?.unit === "words";
  return html`<div id="next" role="group" aria-label="Next at the cursor">
    <p class="soft apart"><span>Next at the cursor</span> <${Units} unit=${unit} choose=${unit => settings.set({ unit })} /></p>
    ${!isWord && html`<p class="legend"><i class="own"></i>model${" "}<i class="after"></i>with settings</p>`}
    ${error && html`<p class="error">${error}</p>`}
    <${Bars} options=${(found?.options ?? []).slice(0, SHOWN)} hasAfter=${!isWord} verb="write" pick=${one => writer.put(one)} />
  </div>`;
}

/** The button that lets the model try again. */
export function Another({ writer }) {
  return html`<button id="another" disabled=${!writer.canTryAgain} title="replace what was written last; both versions stay in the tree"
    onClick=${() => (writer.sheet.focus(), writer.another())}>Another</button>`;
}

/** The bar below the sheet. In the simple view, it has the likeliest words: the next ones, or alternatives to the word at the cursor. */
export function Here({ writer }) {
  const { face } = useStore(page);
  const { revision, isBusy } = useStore(writing);
  const isSimple = face === "simple";
  const { found } = useNext(writer, isSimple, "words", () => writer.here);
  const { text, caret } = writer;
  const { options = [], place = [0, 0] } = found ?? {};
  useLayoutEffect(() => writing.set({ words: isSimple ? options.map(one => ({ ...one, place, revision: found.revision })) : [] }), [found, isSimple]);
  const cast = speakers(text.slice(Math.max(0, caret - CAST), caret));
  const old = text.slice(...place);
  // the beginning of a word that the likeliest words complete
  const begun = old ? "" : /[\p{L}\p{M}\p{N}'’]*$/u.exec(text.slice(0, place[0]))[0];
  const shown = word => visible((/^[\p{L}\p{M}\p{N}'’]/u.test(word) ? begun : "") + word.replace(/^ +/, ""));
  const speak = () => writer.speak(cast.find(({ name }) => name === document.getElementById("speaker").value));
  return html`
    ${isSimple && html`<div class="bar words" role="group" aria-label="Words">
      <span class="soft">${old ? html`instead of <b>${visible(old)}</b>` : text.trim() ? "next" : "begin with"}</span>
      ${options.map(one => html`<button key=${one.text} disabled=${isBusy} aria-current=${one.text === old ? "true" : null}
        onClick=${() => found.revision === revision && writer.swap(one, place)}>${shown(one.text)}</button>`)}
    </div>`}
    <div class="bar">
      ${!isSimple && html`<${Another} writer=${writer} />`}
      <button id="rephrase" disabled=${isBusy || !writer.canRephrase} onClick=${() => writer.rephrase()}
        title="select some words first: other ways to say them, those first that fit best to what is before and after">Another way to say this</button>
      <button id="ending" disabled=${isBusy || !text.slice(caret, lineEnd(text, caret)).trim()} onClick=${() => writer.ending()}
        title="other ends of the sentence at the cursor; the old version stays in the tree">Another ending</button>
      ${cast.length > 0 && html`<span class="choice"><button id="speak" disabled=${isBusy} onClick=${speak}>Continue as</button>
        <select id="speaker" aria-label="speaker">${cast.map(({ name }) => html`<option value=${name}>${name}</option>`)}</select></span>`}
    </div>`;
}
