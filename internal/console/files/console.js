// Changes on the first page what has changed, so that focus, scrolling and selections stay; without it the page loads itself
// anew. A button holds it.
"use strict";

// keyOf tells children of an element apart that may come, go and change places.
const keyOf = (node) => node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "";

// morph makes of an element what another one is, with as few changes as it can.
function morph(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name)) { from.removeAttribute(name); }
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) { from.setAttribute(name, value); }
  }
  const old = [...from.childNodes];
  const keyed = new Map(old.filter(keyOf).map((node) => [keyOf(node), node]));
  const plain = old.filter((node) => !keyOf(node));
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted);
    let node = key ? keyed.get(key) : plain.shift();
    if (node && node.nodeName !== wanted.nodeName) {
      if (node === at) { at = at.nextSibling; }
      node.remove();
      node = null;
    }
    keyed.delete(key);
    if (!node) {
      node = wanted;
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      morph(node, wanted);
    } else if (node.nodeValue !== wanted.nodeValue) {
      node.nodeValue = wanted.nodeValue;
    }
    // What stays in its place is not moved: moving takes the focus away.
    if (node !== at) { from.insertBefore(node, at); }
    at = node.nextSibling;
  }
  for (const gone of [...keyed.values(), ...plain]) { gone.remove(); }
}

const live = document.getElementById("live");
if (live && live.dataset.events) {
  const away = document.getElementById("away");
  const hold = document.getElementById("hold");
  const say = (text) => { away.hidden = !text; away.textContent = text; };
  let latest = "";
  const show = () => {
    if (!latest || hold.getAttribute("aria-pressed") === "true") { return; }
    const next = live.cloneNode(false);
    next.innerHTML = latest;
    const focused = document.activeElement;
    morph(live, next);
    if (focused !== document.activeElement && live.contains(focused)) { focused.focus({ preventScroll: true }); }
    latest = "";
  };
  hold.hidden = false;
  hold.addEventListener("click", () => {
    hold.setAttribute("aria-pressed", String(hold.getAttribute("aria-pressed") !== "true"));
    show();
  });
  const connect = () => {
    const stream = new EventSource(live.dataset.events);
    stream.addEventListener("live", (event) => { latest = event.data; show(); });
    stream.addEventListener("away", (event) => say(event.data));
    stream.onopen = () => say("");
    stream.onerror = () => {
      say("The worker does not answer; trying again.");
      if (stream.readyState === EventSource.CLOSED) { setTimeout(again, 3000); }
    };
  };
  // The worker has answered, and with a refusal: either the session is over, or Redis does not answer.
  const again = () => fetch(location.href, { redirect: "manual" }).then((page) => {
    if (page.type === "opaqueredirect") { location.reload(); } else if (page.ok) { connect(); } else { setTimeout(again, 3000); }
  }, () => setTimeout(again, 3000));
  connect();
}
