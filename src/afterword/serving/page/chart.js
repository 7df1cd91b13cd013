// The curves of a run, drawn by uPlot, which is fetched when it is first needed.

import { html, useEffect, useRef } from "./vendor/preact.js";

const HEIGHT = 320; // pixels
const SKIPPED = 0.06; // of the reports at the start, which are so high that the rest would look flat

let loading = null;

const loaded = () => (loading ??= new Promise((resolve, reject) => {
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "static/vendor/uplot.css" });
  const script = Object.assign(document.createElement("script"), { src: "static/vendor/uplot.js" });
  script.addEventListener("load", () => resolve(window.uPlot));
  script.addEventListener("error", () => reject(new Error("the chart library cannot be loaded")));
  document.head.append(style, script);
}));

const colour = name => () => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const bits = nats => (nats === null || nats === undefined ? null : nats / Math.LN2);

/** Return the columns of the chart: steps, training, held out, LSTM only, and the forecast. */
export function columns(reports, expected, steps) {
  const x = reports.map(({ step }) => step);
  if (x.length && x.at(-1) < steps) x.push(steps); // show the whole length of the run from the start
  const columns = ["loss", "validation", "lstm"].map(name => x.map((_, k) => bits(reports[k]?.[name])));
  const levels = ["likely", "low", "high"].map(name => x.map(() => bits(expected?.[name])));
  return [x, ...columns, ...levels];
}

/** Return the lowest and the highest value to show. */
export function range(data) {
  const lines = data.slice(1, 4).map(line => line.slice(line.length > 20 ? Math.ceil(line.length * SKIPPED) : 0));
  const values = [...lines, ...data.slice(4)].flat().filter(value => value !== null);
  if (!values.length) return [0, 8];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05, (high - low) * 0.06);
  return [Math.max(0, low - room), high + room];
}

/** While the user does not point at a step, show the last one with a held-out cost in the legend. */
function showLatest(chart) {
  const last = values => values.findLastIndex(value => value !== null);
  const [, training, heldOut] = chart.data.map(last);
  const idx = heldOut >= 0 ? heldOut : training;
  if (idx >= 0 && idx !== chart.legend.idx && !Number.isInteger(chart.cursor.idx)) chart.setLegend({ idx });
}

export function Chart({ data, label }) {
  const element = useRef(null);
  const chart = useRef(null);
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    let isGone = false;
    const resized = new ResizeObserver(() => chart.current?.setSize({ width: element.current.clientWidth, height: HEIGHT }));
    const themed = new MutationObserver(() => chart.current?.redraw(false, true));
    loaded().then(uPlot => {
      if (isGone) return;
      const value = (_, v) => (v === null || v === undefined ? "–" : v.toFixed(3));
      const line = (label, stroke, more = {}) => ({ label, stroke: colour(stroke), width: 1.5, value, spanGaps: true, points: { show: false }, ...more });
      const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
      chart.current = new uPlot(
        {
          width: element.current.clientWidth,
          height: HEIGHT,
          scales: { x: { time: false }, y: { range: () => range(latest.current) } },
          axes: [axis, { ...axis, size: 46 }],
          legend: { live: true },
          hooks: { setLegend: [showLatest] },
          cursor: { y: false },
          series: [
            { label: "step", value: (_, v) => (v === null || v === undefined ? "–" : v.toLocaleString("en")) },
            line("training", "--soft", { width: 1 }),
            line("held out", "--accent", { width: 2, points: { show: true, size: 5 } }),
            line("LSTM only", "--accent", { dash: [3, 4], width: 1 }),
            line("expected", "--wrong", { dash: [8, 5] }),
            line("best case", "--wrong", { width: 0 }),
            line("worst case", "--wrong", { width: 0 }),
          ],
          bands: [{ series: [6, 5], fill: () => `color-mix(in srgb, ${colour("--wrong")()} 9%, transparent)` }],
        },
        latest.current,
        element.current,
      );
      resized.observe(element.current);
      themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    });
    return () => {
      isGone = true;
      resized.disconnect();
      themed.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, []);
  useEffect(() => void chart.current?.setData(data), [data]);
  return html`<div class="chart" ref=${element} role="img" aria-label=${label}></div>`;
}
