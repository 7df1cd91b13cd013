// One character and one unit: what was expected, the values, and the sum of what was kept and added.

function showHere(t = S.at, row = S.unit) {
  const guesses = [];
  for (let k = 0; k < D.guesses; k++)
    if (probabilities[t * D.guesses + k])
      guesses.push(`<code>${escape(plain(D.rows[rowsOf[t * D.guesses + k]]))}</code> ` +
        `${Math.round(probabilities[t * D.guesses + k] / 2.55)} %`);
  const values = PARTS.map(part => value(part, S.layer, row, t));
  const label = `character ${t}: ${plain(D.tokens[t])}; surprise ${number(surprise(t), 1)} bits`;
  $("here").innerHTML = `<p><b>character ${t}</b> <code style="font-size:17px">${escape(plain(D.tokens[t]))}</code>
    · surprise ${number(surprise(t), 1)} bits</p>
    <p class="soft">expected: ${guesses.join(", ") || "nothing in particular"}</p>
    <dl class="figures" aria-label="values"><div><dt>unit</dt><dd><b>${name(S.layer, row)}</b></dd></div>
    ${values.map((v, k) =>
      `<div title="${MEANINGS[PARTS[k]]}"><dt>${PARTS[k]}</dt><dd>${number(v)}</dd></div>`).join("")}</dl>
    ${isGated ? `<p class="soft">memory: about ${keeps(D.layers[S.layer].memory[row])} characters, between resets</p>` : ""}`;
  $("live").textContent = `${label}; ${name(S.layer, row)} ${S.part} ${number(value(S.part, S.layer, row, t))}`;
  if (isGated) showSum(t, row, values);
}

function showSum(t, row, [, i, g, , c]) {
  const added = i * g, kept = c - added, old = before(S.layer, row, t), gone = old - kept;
  const most = Math.max(largest("cell", S.layer, row), ...[c, kept, added, old].map(Math.abs));
  const wide = v => Math.abs(v) / most * 50; // in percent of a track, whose middle is 0
  const bar = (v, colour, extra = "") => `<span class="track"><i style="left:${v < 0 ? 50 - wide(v) : 50}%;
    width:${wide(v)}%;background:${colour}"></i>${extra}</span>`;
  const lost = kept * old < 0 ? "" : `<i class="gone" title="dropped" style="width:${wide(gone)}%;
    left:${old < 0 ? 50 - wide(old) : 50 + wide(kept)}%"></i>`;
  $("bars").innerHTML = `<p class="soft">The cell held ${number(old)} and dropped ${number(gone)} (dashed).
    What it kept and what was added is the cell now:</p><div class="sum" role="table">
    <span>kept = forget · cell</span>${bar(kept, "rgb(var(--low))", lost)}<span>${number(kept)}</span>
    <span>+ added = input · cand.</span>${bar(added, "rgb(var(--high))")}<span>${number(added)}</span>
    <span>= cell</span>${bar(c, "var(--accent)")}<span>${number(kept + added)}</span></div>`;
}
function keeps(tau) {
  if (tau >= 9999) return "10,000 and more";
  return tau >= 10 ? Math.round(tau).toLocaleString("en") : number(tau, 1);
}
