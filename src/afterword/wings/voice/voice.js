// A way to score: how much a text sounds like the writer.

import { levelOf } from "./shades.js";
import { html } from "./vendor/preact.js";

const STRENGTH = 3; // a word has its strongest shade at a third of the bits of a surprise

export const scoring = {
  name: "voice",
  title: "compare each sentence with your own text",
  suits: ({ lines }) => !lines,
  show: ({ parts }) => parts && html`<${Voice} parts=${parts} />`,
};

/** The voice of a text: how much the whole and each sentence sound like the writer. */
function Voice({ parts: [whole, ...parts] }) {
  return html`<section class="box voice" id="voice" aria-label="Voice">
    <p>${whole.says}</p>
    <p><b class="p8">like you</b> <b class="n8">unlike you</b> <u>in the training text too</u>. Names do not count.</p>
    <dl>${parts.filter(one => one.part === "sentence").map(one => html`
      <dt class="soft">${one.says}</dt><dd>${piecesOf(one).map(([text, at, bits]) => {
        const level = Math.sign(bits) * levelOf(STRENGTH * Math.abs(bits));
        const piece = html`<b class=${level ? (level > 0 ? "p" : "n") + Math.abs(level) : ""}>${text}</b>`;
        return whole.copies.some(([from, to]) => from <= at && at < to) ? html`<u>${piece}</u>` : piece;
      })}</dd>`)}</dl>
  </section>`;
}

/** Return the text, place and bits of each word of a sentence, and of the text between words; places count characters. */
function piecesOf({ text, start, words }) {
  const characters = [...text];
  const found = [];
  let at = 0;
  for (const word of [...words, { start: start + characters.length, text: "", bits: 0 }]) {
    const from = word.start - start;
    found.push([characters.slice(at, from).join(""), start + at, 0], [word.text, word.start, word.bits]);
    at = from + [...word.text].length;
  }
  return found.filter(([piece]) => piece);
}
