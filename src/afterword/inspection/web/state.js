// What the page shows (D), and what is chosen on it (S).
const $ = id => document.getElementById(id);
const D = JSON.parse($("data").textContent);
const T = D.tokens.length, L = D.layers.length;
const PARTS = ["forget", "input", "candidate", "output", "cell", "hidden"];
const NAMES = { forget: "forget gate", input: "input gate", candidate: "candidate", output: "output gate", cell: "cell state", hidden: "hidden state" };
const GATES = new Set(["forget", "input", "output"]);
const S = { part: "forget", layer: 0, paint: "surprise", at: 0, unit: 0, from: -1, to: -1, order: "moving", width: 0, hover: -1 };
