// A way to score lines, in place of the plain one: which of them a calibrated model finds odd.

import { html } from "./vendor/preact.js";
import { percent } from "./words.js";

let alarms = 0.01;

export const scoring = {
  name: "odd",
  instead: "lines",
  suits: ({ calibrated }) => calibrated,
  settings: () => ({ false_alarms: alarms, all: true }),
  controls: () => html`<label class="soft">false alarms <input type="number" min="0.0001" max="0.5" step="0.001" value=${alarms}
    title="the fraction of normal lines that may be called odd"
    onChange=${event => (alarms = event.currentTarget.valueAsNumber || 0.01)} /></label>`,
  show: () => null,
  judged: ({ p_value: p }) => p !== undefined && p !== null,
  heading: "p-value",
  figure: one => percent(one.p_value),
  oddness: one => -one.p_value,
  marks: one => one.odd,
};
