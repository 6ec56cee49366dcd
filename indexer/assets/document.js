// One document: what is said about a canonical, by whom, when, and what of it counts.
import { copyable, count, fetchJson, h, kind, notice, said, short, time, title, who } from "./dom.js";
import { compare, value } from "./compare.js";
import { hit } from "./search.js";

const RELATIONS = {
  createdBy: "Created by", derivedFrom: "Derived from", rightsOwnedBy: "Rights owned by",
  referencedBy: "Referenced by", sameAs: "Same as",
};
const STANDINGS = {
  head: ["counts", "Counts today: its publisher neither replaced nor took it back."],
  replaced: ["replaced", "Its publisher said something newer instead."],
  retracted: ["taken back", "Its publisher took it back."],
  retraction: ["takes back", "Takes an earlier statement of the same publisher back."],
  opinion: ["objects", "Wants a statement gone that this publisher did not make, or that is not known: it stays."],
  absent: ["not here yet", "The record could not be fetched yet; it is asked for again."],
  unusable: ["unusable", "These bytes say nothing about this document."],
};

export async function showDocument(place, { rest: [cid = ""], signal }) {
  const found = await fetchJson(`/api/document/${encodeURIComponent(cid)}`, signal);
  document.title = `${title(found)} · Kittengrad`;
  const heads = found.updates.filter((update) => update.head).reverse();
  const names = [...new Set(heads.map((head) => head.name).filter(Boolean))].filter((name) => name !== found.name);
  place.append(h("header", { class: "title" },
    h("div", { class: "facts" }, kind(found.type), identifier(found.record)),
    h("h1", null, said(title(found))),
    names.length ? h("p", { class: "also" }, "also ", names.map((name, i) => [i ? " · " : "", said(name)])) : null,
    h("p", { class: "facts" }, speakers(heads))));

  place.append(links(heads, found.linked), section("What is said", heads.length
    ? compare(heads)
    : notice(found.updates.length ? "Nothing that was said about it counts today." : "It was inserted, and nothing was said about it yet.")));
  const referrers = h("div");
  place.append(referrers, section("Who said what, when", history(found.updates)), section("Canonical", canonical(found)));
  await linkedFrom(referrers, found.canonical, signal);
}

function section(heading, ...content) {
  return h("section", null, h("h2", null, heading), ...content);
}

function identifier(record) {
  const id = record?.meta?.id;
  return typeof id === "string" ? h("code", { class: "identifier" }, said(id)) : null;
}

function speakers(heads) {
  const seen = new Map(heads.map((head) => [head.publisher, head.publisher_name]));
  return [...seen].map(([key, name]) => who(key, name));
}

/** How it relates to others, each link once, with everybody who says so. */
function links(heads, linked) {
  const all = new Map();
  for (const head of heads) {
    for (const { rel, to } of head.links) {
      const key = `${rel} ${to}`;
      if (!all.has(key)) all.set(key, { rel, to, by: new Map() });
      all.get(key).by.set(head.publisher, head.publisher_name);
    }
  }
  if (!all.size) return h("div");
  const isShared = new Set(heads.map((head) => head.publisher)).size > 1;
  const line = ({ rel, to, by }) => {
    const target = linked[to];
    const name = target ? said(title({ ...target, canonical: to })) : h("code", null, short(to));
    return h("li", null, h("span", { class: "rel" }, Object.hasOwn(RELATIONS, rel) ? RELATIONS[rel] : said(rel)),
      h("span", null, h("a", { href: `#/document/${to}`, class: target ? null : "unknown" }, name),
        target ? null : h("span", { class: "soft" }, " nothing is known about it yet"),
        isShared ? h("span", { class: "by" }, [...by].map(([key, name]) => who(key, name))) : null));
  };
  const lines = [...all.values()].map(line);
  const list = h("ul", { class: "links" }, lines.slice(0, LINKS_MAX));
  if (lines.length > LINKS_MAX) list.append(h("li", { class: "soft" }, `and ${count(lines.length - LINKS_MAX)} more`));
  return h("section", { "aria-label": "Relations" }, list);
}

/** The documents that link here. */
async function linkedFrom(place, cid, signal) {
  const found = await fetchJson(`/api/search?to=${cid}&limit=${REFERRERS_MAX}`, signal);
  if (!found.total) return;
  place.append(section(`Linked from ${count(found.total)}`,
    h("ol", { class: "hits small" }, found.hits.map(hit)),
    found.next ? h("a", { class: "all", href: `#/search?to=${cid}` }, `All ${count(found.total)}`) : null));
}

/** Every statement, the newest first. */
function history(updates) {
  const byId = new Map(updates.map((update) => [update.cid, update]));
  const replacedBy = new Map();
  for (const update of updates) {
    for (const id of update.previous) {
      if (byId.get(id)?.publisher === update.publisher) replacedBy.set(id, update.cid);
    }
  }
  const items = updates.slice().reverse().map((update) => statement(update, byId, replacedBy));
  const list = h("ol", { class: "history" }, items.slice(0, STATEMENTS_MAX));
  if (items.length > STATEMENTS_MAX) {
    const rest = h("button", { class: "more", type: "button" }, `Show ${count(items.length - STATEMENTS_MAX)} older ones`);
    rest.addEventListener("click", () => {
      list.append(...items.slice(STATEMENTS_MAX));
      rest.remove();
    });
    return [list, rest];
  }
  return list;
}

function statement(update, byId, replacedBy) {
  const [label, meaning] = STANDINGS[update.standing] ?? [update.standing, ""];
  const jump = (cid) => h("button", { class: "jump", type: "button", click: () => reveal(cid) },
    byId.get(cid)?.name ? said(byId.get(cid).name) : h("code", null, short(cid)));
  const facts = [
    update.target ? [update.standing === "retraction" ? "takes back " : "objects to ", jump(update.target)] : null,
    update.previous.filter((cid) => byId.has(cid)).map((cid) => [byId.get(cid).publisher === update.publisher ? "replaces " : "answers ", jump(cid)]),
    replacedBy.has(update.cid) ? ["replaced by ", jump(replacedBy.get(update.cid))] : null,
  ].flat().filter(Boolean);
  const body = [
    update.meta && Object.keys(update.meta).length ? value(update.meta) : null,
    h("p", { class: "ids" }, "record ", copyable(update.cid)),
    update.publisher ? h("p", { class: "ids" }, "publisher key ", copyable(update.publisher)) : null,
  ];
  return h("li", { class: `statement ${update.standing}`, id: `s-${update.cid}`, tabindex: "-1" },
    h("details", null,
      h("summary", null,
        h("span", { class: "when" }, update.timestamp_ms === null ? "—" : time(update.timestamp_ms, true)),
        who(update.publisher, update.publisher_name),
        h("span", { class: "standing", title: meaning }, label),
        update.name ? said(update.name, { class: "called" }) : null),
      ...body),
    facts.length ? h("p", { class: "facts" }, facts) : null);
}

function reveal(cid) {
  const item = document.getElementById(`s-${cid}`);
  if (!item) return;
  item.querySelector("details").open = true;
  item.scrollIntoView({ block: "center" });
  item.focus({ preventScroll: true });
}

function canonical(found) {
  return [
    h("p", { class: "ids" }, copyable(found.canonical)),
    found.record ? value(found.record.meta) : notice("Its record is not here yet; it is asked for again."),
  ];
}

const LINKS_MAX = 30;
const REFERRERS_MAX = 6;
const STATEMENTS_MAX = 50;
