// Begin, once all the rest is there.
document.title = D.title;
$("about").textContent = D.about;
sheet();
writeText();
choice("part", PARTS.map(part => [part, part, `${MEANINGS[part]} (key g: the next one)`]), "part", refresh);
choice(
  "layer",
  withUnits.map(k => [k, `l${k}`, `layer ${k}, counted from the text up (key l: the next one)`]),
  "layer",
  relayer,
);
choice("paint", [
  ["surprise", "surprise", "how unexpected each character was, in bits (key p: the next colouring)"],
  ["unit", "unit", "the chosen unit's gate or state at each character (key p: the next colouring)"],
  ["mean", "the layer's mean", "the mean over all units of the layer (key p: the next colouring)"],
], "paint", refresh);
S.layer = withUnits[0];
theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
summary();
relayer();
document.documentElement.dataset.ready = performance.now().toFixed(0);
