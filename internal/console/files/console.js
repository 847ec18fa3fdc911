// Puts the first page's content in place as it changes; without it the page loads itself anew.
"use strict";
const live = document.getElementById("live");
if (live && live.dataset.events) {
  const away = document.getElementById("away");
  const say = (text) => { away.hidden = !text; away.textContent = text; };
  const stream = new EventSource(live.dataset.events);
  stream.addEventListener("live", (event) => {
    const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
    live.innerHTML = event.data;
    if (focused) { document.getElementById(focused)?.focus({ preventScroll: true }); }
    say("");
  });
  stream.addEventListener("away", (event) => say(event.data));
  stream.onerror = () => say("The worker does not answer; trying again.");
}
