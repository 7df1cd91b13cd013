// Begin, once all the rest is there.
document.title = D.title;
$("about").textContent = D.about;
sheet(); writeText();
choice("part", PARTS.map(part => [part, part, NAMES[part]]), "part", refresh);
choice("layer", withUnits.map(k => [k, `l${k}`, `layer ${k}`]), "layer", relayer);
choice("paint", [["surprise", "surprise"], ["unit", "unit"], ["mean", "the layer's mean"]], "paint", refresh);
S.layer = withUnits[0];
theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
summary(); relayer();
document.documentElement.dataset.ready = performance.now().toFixed(0);
