// The two faces of the page: a simple one, and one with everything.

import { page, useStore } from "./state.js";
import { html } from "./vendor/preact.js";

const FACES = { simple: ["Simple", "only what is needed to write"], all: ["All", "all settings and branches too"] };

/** The switch between the faces. The choice is remembered; `turned` is called after it. */
export function Faces({ turned }) {
  const { face } = useStore(page);
  const turn = face => {
    document.documentElement.dataset.face = face;
    page.set({ face });
    try {
      localStorage.setItem("afterword.face", face);
    } catch {
      // no storage: the page begins simply again
    }
    turned?.();
  };
  return html`<span class="choice" role="group" aria-label="Face">${Object.entries(FACES).map(([id, [label, title]]) =>
    html`<button id=${`face-${id}`} aria-pressed=${String(id === face)} title=${title} onClick=${() => turn(id)}>${label}</button>`)}</span>`;
}
