// The page: shows the view of each address.
import { h, notice } from "./dom.js";
import { home } from "./feed.js";
import { search } from "./search.js";
import { showDocument } from "./document.js";
import { network } from "./ring.js";

const main = document.getElementById("main");
const find = document.getElementById("find");
const words = document.getElementById("words");
let leave = new AbortController();
let isFirst = true;

const views = { "": home, search, document: showDocument, network };

// Without scripts the form leads to /?q=WORDS. With scripts that address opens the search.
const linked = new URLSearchParams(location.search).get("q");
if (linked !== null) history.replaceState(null, "", `/#/search?${new URLSearchParams({ q: linked })}`);

/** Draws the view of the address. Aborts the requests and timers of the view before. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  if (location.hash === "#main") return;
  leave.abort();
  leave = new AbortController();
  const asked = new URLSearchParams(query ?? "");
  const view = views[page];
  find.hidden = page === "";
  words.value = page === "search" ? asked.get("q") ?? "" : "";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const place = h("div", { class: `view ${page || "home"}` });
  main.replaceChildren(place);
  document.title = "Kittengrad";
  if (!isFirst) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  isFirst = false;
  if (!view) {
    place.append(h("h1", null, "No such page"), notice("This address has no page; use the search or the links above."));
    return;
  }
  const signal = leave.signal;
  Promise.resolve(view(place, { asked, rest: rest.map(decode), signal })).catch((error) => {
    if (!signal.aborted) place.append(notice(`Loading failed: ${error.message}.`, "notice bad"));
  });
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

find.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = new URLSearchParams(location.hash.startsWith("#/search?") ? location.hash.split("?")[1] : "");
  asked.set("q", words.value.trim());
  asked.delete("to");
  location.hash = `#/search?${asked}`;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "")) return;
  const box = document.querySelector(".hero input") ?? words;
  event.preventDefault();
  box.focus();
  box.select();
});

addEventListener("hashchange", route);
route();
