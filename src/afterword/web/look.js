// The two views ("faces") of the page: a simple one, and one with everything.

import { page, stored, useStore } from "./state.js";
import { html } from "./vendor/preact.js";

const FACES = { simple: ["Simple", "only what you need to write"], all: ["All", "with all settings and branches"] };

/** The switch between the views. It stores the choice, then calls `turned`. */
export function Faces({ turned }) {
  const { face } = useStore(page);
  const turn = face => {
    document.documentElement.dataset.face = face;
    page.set({ face });
    stored("afterword.face", face); // without storage, the page opens in the simple view
    turned?.();
  };
  return html`<span class="choice" role="group" aria-label="View">${Object.entries(FACES).map(([id, [label, title]]) =>
    html`<button id=${`face-${id}`} aria-pressed=${String(id === face)} title=${title} onClick=${() => turn(id)}>${label}</button>`)}</span>`;
}
