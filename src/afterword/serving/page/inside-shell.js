// An empty page that shows the page of the gates, sent by the surrounding page. It accepts messages from nobody else,
// since a script in what it shows would run.
addEventListener("message", ({ data, origin, source }) => {
  if (origin !== location.origin || source !== window.parent || source === window) return;
  if (typeof data?.html !== "string") return;
  document.open();
  document.write(data.html);
  document.close();
});
if (window.parent !== window) window.parent.postMessage("ready", location.origin);
