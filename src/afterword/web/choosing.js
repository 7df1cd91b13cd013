// The alternatives to a word or a character, in a small list next to it. The focus stays where it was.

import { Bars } from "./bars.js";
import { Units } from "./next.js";
import { moveFocus } from "./sheet.js";
import { useStore } from "./state.js";
import { html, useEffect, useLayoutEffect, useRef } from "./vendor/preact.js";
import { number, percent, spaced, visible } from "./words.js";
import { writing } from "./writer.js";

const [SHOWN, FEW] = [9, 6]; // words, and other ways to say something

export function Choosing({ writer }) {
  const { choosing } = useStore(writing);
  const box = useRef(null);
  useLayoutEffect(() => {
    if (choosing) writer.sheet.layer.putBeside(box.current, choosing.from, choosing.to);
  });
  useEffect(() => {
    const close = () => writer.closeAlternatives();
    writer.sheet.view.addEventListener("scroll", close, { passive: true });
    return () => writer.sheet.view.removeEventListener("scroll", close);
  }, []);
  useEffect(() => {
    if (choosing?.options && choosing.wantsFocus) box.current.querySelector(".row")?.focus();
  }, [choosing?.options]);
  if (!choosing) return null;
  const chosen = writer.text.slice(choosing.from, choosing.to);
  const isWays = choosing.unit === "ways";
  const found = chosen && choosing.options?.find(({ text }) => text === chosen);
  const shown = choosing.options?.slice(0, isWays ? FEW : SHOWN) ?? [];
  if (found && !shown.includes(found)) shown.push(found);
  const keys = event => {
    if (moveFocus(event, box.current)) return;
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      writer.closeAlternatives();
      writer.sheet.focus();
    }
  };
  const least = choosing.options?.at(-1)?.probability;
  const otherwise = !chosen ? "next at the cursor" : least ? `below ${percent(least)}` : "no alternative is likely";
  return html`<div class="popup" ref=${box} role="dialog" aria-label=${chosen ? `Alternatives to “${spaced(chosen)}”` : "Next at the cursor"} onKeyDown=${keys}>
    <p>
      ${chosen && !isWays && html`<code>${spaced(chosen)}</code>`}${" "}
      <span class="soft">
        ${choosing.error ?? ""}
        ${!choosing.error && !choosing.options && "…"}
        ${isWays && choosing.options && (shown.length > 1 ? "other ways, the best fit first" : "nothing else fits here")}
        ${!isWays && choosing.options && html`<span class="more">${found ? `${percent(found.probability)}, ${number(-Math.log2(found.probability), 1)} bits` : otherwise}</span>`}
      </span>
    </p>
    ${isWays ? html`<ul class="bars">${shown.map(one => html`<li><button class="way row" aria-current=${one === found ? "true" : null}
      onClick=${() => writer.pick(one)}>${visible(one.text.trim())}</button></li>`)}</ul>` : html`
    <${Units} unit=${choosing.unit} choose=${unit => writer.chooseAmong(unit)} />
    ${shown.length > 0 && html`<${Bars} options=${shown} chosen=${chosen || null} verb=${choosing.unit === "words" ? "put" : "continue with"} pick=${one => writer.pick(one)} />`}`}
  </div>`;
}
