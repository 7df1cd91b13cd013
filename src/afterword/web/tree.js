// The list of branches.

import { rows } from "./branches.js";
import { moveFocus } from "./sheet.js";
import { useOpen, useStore } from "./state.js";
import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { number, spaced, uncut, visible } from "./words.js";
import { writing } from "./writer.js";

const SHOWN = 90; // characters of a piece
const DEEPEST = 10; // steps of indentation
const PAUSE = 250; // milliseconds without a change before the list is drawn

export function Tree({ writer, details }) {
  const { revision } = useStore(writing);
  const isOpen = useOpen(details);
  const [drawn, setDrawn] = useState(0);
  useEffect(() => {
    if (!isOpen) return;
    const timer = setTimeout(() => setDrawn(writer.history.changes), PAUSE);
    return () => clearTimeout(timer);
  }, [revision, isOpen]);
  const found = useMemo(() => (isOpen ? rows(writer.history.tips(), writer.history.id) : []), [drawn, isOpen, writer.history]);
  const list = useRef(null);
  if (found.length < 2) {
    return html`<p class="soft">Every version of the text stays here. Pick an alternative, or undo and continue, to make a branch.</p>`;
  }
  const go = ({ id, cut, at }) => {
    if (id === null) writer.goToFork(cut, at);
    else writer.go(id);
    setDrawn(writer.history.changes);
    writer.sheet.focus();
  };
  const reachable = Math.max(0, found.findIndex(({ here }) => here));
  return html`<ol class="tree" ref=${list} onKeyDown=${event => moveFocus(event, list.current)} aria-label="Branches; use the arrow keys">
    ${found.map((row, k) => {
      const isFork = row.id === null;
      const shown = row.piece.trim() ? visible : spaced;
      const piece = shown(k === 0 && row.piece.length > SHOWN ? `…${uncut(row.piece.slice(-SHOWN))}` : uncut(row.piece.slice(0, SHOWN)));
      return html`<li key=${`${row.cut}-${row.at}`} style=${{ marginLeft: `${Math.min(row.depth, DEEPEST) * 14}px` }}>
        <button class=${`${row.on ? "on" : ""}${isFork ? " fork" : ""}`} data-revision=${row.id}
          aria-current=${row.here ? "true" : null} tabindex=${k === reachable ? 0 : -1}
          title=${isFork ? "go to the fork; the branches stay in the tree" : "go to this text"} onClick=${() => go(row)}>
          <span class="piece">${piece || "(empty)"}</span>
          <span class="soft">${isFork ? "fork" : number(row.at)}</span>
        </button>
      </li>`;
    })}
  </ol>`;
}
