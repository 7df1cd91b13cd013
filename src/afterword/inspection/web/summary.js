// How open the gates are.
function chips(layer, units, note = () => "") {
  const holder = document.createElement("span");
  holder.className = "chips";
  for (const unit of units) {
    const row = D.layers[layer].units.indexOf(unit);
    const name = `l${layer}.u${unit}`;
    const title = row < 0 ? `not among the units on this page: name it by --units ${name}` : `show ${name}`;
    holder.append(button(`u${unit}${note(unit)}`, title, () => chooseUnit(layer, row, true), row < 0));
  }
  return holder;
}

function summary() {
  const made = document.createElement("table");
  made.className = "means";
  made.innerHTML = `<thead><tr><th>layer</th><th>gate</th><th>open on average</th>
    <th>never opens (stays under 0.1)</th><th>never closes (stays over 0.9)</th></tr></thead>`;
  D.layers.forEach((layer, k) => {
    ["forget", "input", "output"].forEach((gate, j) => {
      const row = made.insertRow(), one = layer.summary[gate];
      row.innerHTML = `<td>${j ? "" : `<b>l${k}</b>`}</td><td>${gate}</td>
        <td><span class="meter"><i style="width:${one.mean * 100}%"></i></span>${number(one.mean)}</td>`;
      for (const kind of ["shut", "open"]) {
        const cell = row.insertCell();
        cell.append(`${one[kind].count} of ${D.hidden} `, chips(k, one[kind].units));
      }
    });
    const row = made.insertRow();
    row.innerHTML = `<td></td><td>memory</td>`;
    const spread = row.insertCell();
    spread.textContent = layer.spread.map(([label, count]) => `${label}: ${count}`).join(" · ");
    spread.title = "characters : units";
    const cell = row.insertCell();
    cell.colSpan = 2;
    const memory = new Map(layer.longest);
    cell.append("longest, in characters: ", chips(k, [...memory.keys()], unit => ` ${keeps(memory.get(unit))}`));
  });
  $("summary").replaceChildren(made);
}
