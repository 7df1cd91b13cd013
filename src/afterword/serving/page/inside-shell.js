// The frame of the gates' page: it takes the page's HTML from the window around it, and becomes it.
"use strict";

addEventListener("message", (event) => {
  if (event.origin !== location.origin || event.source !== parent || typeof event.data?.html !== "string") return;
  document.open();
  document.write(event.data.html);
  document.close();
});

if (parent !== window) parent.postMessage("ready", location.origin);
