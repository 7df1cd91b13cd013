// A distribution as rows with bars: the model's probabilities, and those after the settings.

import { BOUNDARY } from "./shades.js";
import { html } from "./vendor/preact.js";
import { percent, spaced } from "./words.js";

export const nameOf = ({ token, text }) => (token === BOUNDARY ? "end of line" : text ? spaced(text) : token);

/** `options` come from `/v1/next`; `chosen` is marked, `pick` is called with a clicked option if given, and `hasAfter` also shows the filtered probabilities. */
export function Bars({ options, chosen = null, hasAfter = false, pick, verb }) {
  const most = Math.max(...options.map(({ probability, after }) => Math.max(probability, hasAfter ? after : 0)), 1e-9);
  return html`<ul class=${options[0] && !options[0].token ? "bars of-words" : "bars"}>
    ${options.map(one => {
      const isGone = hasAfter && one.after === 0;
      const name = nameOf(one);
      const row = html`
        <code>${name}</code>
        <span class="track">
          ${hasAfter && html`<i class="after" style=${{ width: `${(one.after / most) * 100}%` }}></i>`}
          <i class="own" style=${{ width: `${(one.probability / most) * 100}%` }}></i>
        </span>
        <span class="more">${percent(hasAfter ? one.after : one.probability)}
          ${hasAfter && html`<span class="hidden">with settings, ${percent(one.probability)} by the model</span>`}</span>
      `;
      const shown = { class: isGone ? "row gone" : "row", "aria-current": one.text === chosen ? "true" : null };
      return html`<li key=${one.id ?? one.token ?? one.text}>
        ${pick
          ? html`<button ...${shown} title=${`${verb} “${name}”`} onClick=${() => pick(one)}>${row}</button>`
          : html`<div ...${shown}>${row}</div>`}
      </li>`;
    })}
  </ul>`;
}
