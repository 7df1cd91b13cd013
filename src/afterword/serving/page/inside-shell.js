// An empty page that becomes the gates' view which the page around it hands over. It takes nothing from anybody else:
// what is written here runs.
addEventListener("message", ({ data, origin, source }) => {
  if (origin !== location.origin || source !== window.parent || source === window) return;
  if (typeof data?.html !== "string") return;
  document.open();
  document.write(data.html);
  document.close();
});
if (window.parent !== window) window.parent.postMessage("ready", location.origin);
