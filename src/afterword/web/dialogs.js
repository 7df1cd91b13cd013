// Dialogs that the user must answer.

import { html, render } from "./vendor/preact.js";

/**
 * Ask in a dialog, and return the value of the pressed button, or null for *Cancel* and if the dialog is closed. With `field` there is an
 * input, and the first button returns the input's value.
 */
export function ask({ title, text, choices, field = null }) {
  const place = document.body.appendChild(document.createElement("div"));
  return new Promise(resolve => {
    let answer = null;
    const closed = () => {
      place.remove();
      resolve(answer);
    };
    const pressed = (value, k) => (answer = field && k === 0 ? place.querySelector("input").value : value);
    render(html`<dialog aria-labelledby="dialog-title" onClose=${closed}><form method="dialog">
      <h2 id="dialog-title">${title}</h2>
      <p>${text}</p>
      ${field && html`<input type=${field.type} autocomplete="off" aria-label=${field.label} />`}
      <div class="bar end">${[...choices, { label: "Cancel", value: null }].map(({ label, value }, k) =>
        html`<button class=${k === 0 ? "primary" : null} onClick=${() => pressed(value, k)}>${label}</button>`)}</div>
    </form></dialog>`, place);
    place.firstChild.showModal();
  });
}
