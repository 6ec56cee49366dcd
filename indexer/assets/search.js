// The search view: hits for the words and filters in the address.
import { copyable, count, fetchJson, h, isolated, kind, notice, plural, publisher, title } from "./dom.js";

export async function search(place, { asked, signal }) {
  const query = asked.get("q") ?? "";
  document.title = query ? `${query} · Kittengrad` : "Browse · Kittengrad";
  const heading = h("h1", { class: "unseen" }, query ? `Search for ${query}` : "All documents, the newest first");
  const filters = h("div", { class: "filters" });
  const summary = h("p", { class: "summary", role: "status" }, "Searching…");
  const list = h("ol", { class: "hits" });
  const more = h("button", { class: "more", type: "button", hidden: true }, "Show more");
  place.append(heading, filters, summary, list, more);
  list.addEventListener("keydown", walk);

  const params = new URLSearchParams(asked);
  params.set("limit", "20");
  const first = await page(params, true);
  draw(filters, asked, first.facets);
  await about(summary, asked, first, signal);
  add(first);

  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const focused = list.children.length;
      add(await page(params, false));
      list.children[focused]?.querySelector("a")?.focus();
    } catch (error) {
      more.after(notice(`Loading more hits failed: ${error.message}.`, "notice bad"));
    }
    more.disabled = false;
  });

  function page(params, facets) {
    if (facets) params.set("facets", "true");
    else params.delete("facets");
    return fetchJson(`/api/search?${params}`, signal);
  }

  function add(found) {
    list.append(...found.hits.map(hit));
    more.hidden = !found.next;
    if (found.next) params.set("next", found.next);
  }
}

/** Shows one hit: title, summary, type, publishers and identifier. */
export function hit(found) {
  const publishers = found.publisher_keys.map((key, i) => publisher(key, found.publishers[i]));
  return h("li", { class: "hit" },
    h("a", { class: "name", href: `#/document/${found.canonical}` }, isolated(title(found))),
    found.summary ? h("p", { class: "gist" }, isolated(found.summary)) : null,
    h("div", { class: "facts" }, kind(found.type), ...publishers,
      found.identifier && found.name ? h("code", { class: "identifier" }, isolated(found.identifier)) : null));
}

/** Moves the focus between hits with the arrow keys. */
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const item = event.target.closest?.(".hit");
  if (!step || !item) return;
  const next = step > 0 ? item.nextElementSibling : item.previousElementSibling;
  if (!next) return;
  event.preventDefault();
  next.querySelector("a").focus();
}

async function about(summary, asked, found, signal) {
  const query = asked.get("q");
  const parts = [plural(found.total, "document", "documents")];
  if (query) parts.push(" for ", h("q", null, isolated(query)));
  if (asked.get("to")) {
    const target = await fetchJson(`/api/document/${encodeURIComponent(asked.get("to"))}`, signal).catch(() => null);
    const name = target ? isolated(title(target)) : copyable(asked.get("to"));
    parts.push(" that link to ", h("a", { href: `#/document/${asked.get("to")}` }, name));
  }
  parts.push(h("span", { class: "soft" }, ` · ${(found.took_us / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} ms`));
  if (!found.total) parts.push(h("span", { class: "hint" }, "All words must occur. Try fewer words, or wor* for all words that begin with wor."));
  summary.replaceChildren(...parts);
}

/** Draws the filters that have hits. The set one is marked, and a click removes it. */
function draw(filters, asked, facets) {
  const to = (key, value) => {
    const next = new URLSearchParams(asked);
    next.delete("next");
    if (value) next.set(key, value);
    else next.delete(key);
    return `#/search?${next}`;
  };
  const chip = (key, value, label, number) => {
    const isSet = (asked.get(key) ?? "").toLowerCase() === value.toLowerCase();
    return h("a", { class: "chip", href: to(key, isSet ? "" : value), "aria-current": isSet ? "true" : null },
      label, number === undefined ? null : h("span", { class: "number" }, count(number)));
  };
  const types = facets.types.map(({ value, count }) => chip("type", value, MANY[value] ?? value, count));
  const publishers = facets.publishers.map(({ value, name, count }) => chip("publisher", value, publisher(value, name), count));
  filters.append(h("div", { class: "chips", role: "group", "aria-label": "Filter by type" }, types));
  filters.append(h("div", { class: "chips", role: "group", "aria-label": "Filter by publisher" }, publishers));
}

const MANY = { artefact: "Works", entity: "People and places" };
