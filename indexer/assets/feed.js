// The start page: a search form, the feed of new statements, and a small drawing of the ring.
import { ago, count, fetchJson, h, isolated, KINDS, publisher, title } from "./dom.js";
import { follow, legend } from "./ring.js";

export async function home(place, { signal }) {
  const box = h("input", { type: "search", name: "q", maxlength: "1000", autocomplete: "off", spellcheck: "false",
    "aria-label": "Search", placeholder: "Turner, Venice, “snow storm”" });
  const form = h("form", { class: "big", role: "search", submit: (event) => {
    event.preventDefault();
    location.hash = `#/search?${new URLSearchParams({ q: box.value.trim() })}`;
  } }, box, h("button", { type: "submit" }, "Search"));
  const totals = h("p", { class: "totals" }, "\u00a0");
  place.append(h("section", { class: "hero" },
    h("h1", null, "Search signed statements about works, people and places."),
    form, totals));

  const pause = h("button", { class: "pause", type: "button", "aria-pressed": "false" }, "Pause");
  const state = h("span", { class: "live", role: "status" }, "connecting");
  const list = h("ol", { class: "feed" });
  const drawing = h("div", { class: "small-ring" });
  place.append(h("div", { class: "columns" },
    h("section", { class: "now" }, h("h2", null, "New statements ", state, pause), list),
    h("section", { class: "ring-card" }, h("h2", null, h("a", { href: "#/network" }, "The network")), drawing, legend())));

  let isPaused = false;
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Resume" : "Pause";
  });
  const showTotals = (counts) => {
    totals.replaceChildren(h("b", null, count(counts.documents)), " works, people and places · ", h("b", null, count(counts.updates)), " signed statements");
  };
  listen(signal, state, showTotals, (batch) => {
    if (!isPaused) add(list, batch);
  });
  const aging = setInterval(() => {
    for (const item of list.querySelectorAll("[data-ms]")) item.textContent = ago(Number(item.dataset.ms));
  }, 5000);
  signal.addEventListener("abort", () => clearInterval(aging));
  const latest = await fetchJson(`/api/search?limit=${LINES_MAX}`, signal);
  if (!list.children.length) list.append(...latest.hits.map(known));
  await follow(signal, (ring, draw) => drawing.replaceChildren(draw(ring)));
}

/** Reads the feed until the view is left. A lost or dropped feed is opened again after three seconds. */
function listen(signal, state, showTotals, showBatch) {
  let events;
  let again;
  const show = (text, isGood) => {
    state.textContent = text;
    state.classList.toggle("good", isGood);
  };
  const begin = () => {
    events = new EventSource("/api/feed");
    events.addEventListener("hello", (event) => {
      show("live", true);
      showTotals(JSON.parse(event.data));
    });
    events.addEventListener("commit", (event) => {
      const batch = JSON.parse(event.data);
      showTotals(batch);
      showBatch(batch);
    });
    events.addEventListener("dropped", () => retry("page too slow, skipping"));
    events.addEventListener("error", () => retry("indexer not reached, retrying"));
  };
  const retry = (why) => {
    events.close();
    show(why, false);
    again = setTimeout(begin, 3000);
  };
  begin();
  signal.addEventListener("abort", () => {
    events.close();
    clearTimeout(again);
  });
}

const EVENTS = { inserted: "inserted", said: "described", retracted: "statement retracted", absent: "record absent" };

function add(list, batch) {
  const items = batch.elements.slice(-LINES_MAX).map((element) => h("li", { class: "fresh" },
    h("a", { href: `#/document/${element.canonical}` }, isolated(title(element))),
    h("span", { class: "facts" }, publisher(element.publisher, element.publisher_name),
      h("span", null, `${KINDS[element.type] ?? "Document"}: ${EVENTS[element.what] ?? element.what}`),
      h("span", { class: "ago", "data-ms": String(element.time_ms) }, ago(element.time_ms)))));
  const left = batch.skipped + Math.max(0, batch.elements.length - LINES_MAX);
  if (left) items.unshift(h("li", { class: "soft" }, `and ${count(left)} more`));
  list.prepend(...items.reverse());
  while (list.children.length > LINES_MAX) list.lastElementChild.remove();
}

/** Shows a document that was indexed before the feed was opened. */
function known(hit) {
  return h("li", null,
    h("a", { href: `#/document/${hit.canonical}` }, isolated(title(hit))),
    h("span", { class: "facts" }, hit.publisher_keys.map((key, i) => publisher(key, hit.publishers[i])),
      h("span", null, KINDS[hit.type] ?? "Document"),
      hit.updated_ms ? h("span", { class: "ago", "data-ms": String(hit.updated_ms) }, ago(hit.updated_ms)) : null));
}

const LINES_MAX = 8;
