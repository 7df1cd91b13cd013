// What the page shows (D), and what is chosen on it (S).
const D = JSON.parse($("data").textContent);
const T = D.tokens.length, L = D.layers.length;
const { isGated } = D; // false for a plain recurrent network
const PARTS = isGated ? ["forget", "input", "candidate", "output", "cell", "hidden"] : ["hidden"];
const SIGNED = isGated ? "cell" : "hidden"; // whose sign a unit has
const MEANINGS = {
  forget: "The forget gate sets how much of its old cell state a unit keeps: 1 all of it, 0 nothing.",
  input: "The input gate sets how much of the candidate is added to the cell state: 1 all of it, 0 nothing.",
  candidate: "The candidate is what the unit could add to its cell state now, from −1 to 1.",
  output: "The output gate sets how much of its cell state a unit shows to the others: 1 all of it, 0 nothing.",
  cell: "The cell state is the unit's memory: what the forget gate kept of it, and what the input gate added.",
  hidden: isGated ? "The hidden state is what the others see of the unit: its output gate × tanh of its cell state."
    : "The hidden state is the tanh of a sum over the character and all hidden states before it.",
};
const GATES = new Set(["forget", "input", "output"]);
const nameOf = part => part === "candidate" ? part : `${part} ${GATES.has(part) ? "gate" : "state"}`;
const S = {
  part: PARTS[0],
  layer: 0,
  unit: 0,  // rows of the page's units, not their names
  at: 0,
  from: -1,  // the selection, to included
  to: -1,
  paint: "surprise",
  order: "moving",
  width: 0,  // of a character's column
  zoomed: false
};
const selection = () => [Math.min(S.from, S.to), Math.max(S.from, S.to)];
