// An empty page that shows the page of the gates, sent by the surrounding page. It accepts messages from nobody else,
// since a script in what it shows would run. It has that page's theme from the start: drawing takes seconds on a busy
// machine, and until then a dark page would have a white frame.
const outer = window.parent.document;
addEventListener("message", ({ data, origin, source }) => {
  if (origin !== location.origin || source !== window.parent || source === window) return;
  if (typeof data?.html !== "string") return;
  document.open();
  document.write(data.html.replace("<html", `<html data-theme="${outer.documentElement.dataset.theme}"`));
  document.close();
});
if (window.parent !== window) {
  document.documentElement.style.background = getComputedStyle(outer.body).backgroundColor;
  window.parent.postMessage("ready", location.origin);
}
