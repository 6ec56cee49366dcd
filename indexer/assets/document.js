// The document view: all statements about a canonical, with publishers, times and standings.
import { copyable, count, fetchJson, h, isolated, kind, notice, publisher, short, time, title } from "./dom.js";
import { compare, value } from "./compare.js";
import { hit } from "./search.js";

const RELATIONS = {
  createdBy: "Created by", derivedFrom: "Derived from", rightsOwnedBy: "Rights owned by",
  referencedBy: "Referenced by", sameAs: "Same as",
};
const STANDINGS = {
  head: ["current", "Its publisher neither replaced nor retracted it."],
  replaced: ["replaced", "Its publisher replaced it by a newer statement."],
  retracted: ["retracted", "Its publisher retracted it."],
  retraction: ["retraction", "Retracts a statement of the same publisher."],
  opinion: ["objection", "Retracts a statement of another publisher, or an unknown one, and so has no effect."],
  absent: ["absent", "The record could not be fetched yet. The indexer asks for it again."],
  unusable: ["unusable", "The record is not a statement about this document."],
};

export async function showDocument(place, { rest: [cid = ""], signal }) {
  const found = await fetchJson(`/api/document/${encodeURIComponent(cid)}`, signal);
  document.title = `${title(found)} · Kittengrad`;
  const heads = found.updates.filter((update) => update.head).reverse();
  const names = [...new Set(heads.map((head) => head.name).filter(Boolean))].filter((name) => name !== found.name);
  place.append(h("header", { class: "title" },
    h("div", { class: "facts" }, kind(found.type), identifier(found.record)),
    h("h1", null, isolated(title(found))),
    names.length ? h("p", { class: "also" }, "also called ", names.map((name, i) => [i ? " · " : "", isolated(name)])) : null,
    h("p", { class: "facts" }, speakers(heads))));

  place.append(links(heads, found.linked), section("Current statements", heads.length
    ? compare(heads)
    : notice(found.updates.length ? "No statement is current; the list below has all of them." : "It was inserted without a statement.")));
  const referrers = h("div");
  place.append(referrers, section("All statements", history(found.updates)), section("Canonical", canonical(found)));
  await linkedFrom(referrers, found.canonical, signal);
}

function section(heading, ...content) {
  return h("section", null, h("h2", null, heading), ...content);
}

function identifier(record) {
  const id = record?.meta?.id;
  return typeof id === "string" ? h("code", { class: "identifier" }, isolated(id)) : null;
}

function speakers(heads) {
  const seen = new Map(heads.map((head) => [head.publisher, head.publisher_name]));
  return [...seen].map(([key, name]) => publisher(key, name));
}

/** Lists the links of the heads, each once, with its publishers. */
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
    const name = target ? isolated(title({ ...target, canonical: to })) : h("code", null, short(to));
    return h("li", null, h("span", { class: "rel" }, Object.hasOwn(RELATIONS, rel) ? RELATIONS[rel] : isolated(rel)),
      h("span", null, h("a", { href: `#/document/${to}`, class: target ? null : "unknown" }, name),
        target ? null : h("span", { class: "soft" }, " not in this index yet"),
        isShared ? h("span", { class: "by" }, [...by].map(([key, name]) => publisher(key, name))) : null));
  };
  const lines = [...all.values()].map(line);
  const list = h("ul", { class: "links" }, lines.slice(0, LINKS_MAX));
  if (lines.length > LINKS_MAX) list.append(h("li", { class: "soft" }, `and ${count(lines.length - LINKS_MAX)} more`));
  return h("section", { "aria-label": "Relations" }, list);
}

/** Lists the first documents that link to this one. */
async function linkedFrom(place, cid, signal) {
  const found = await fetchJson(`/api/search?to=${cid}&limit=${REFERRERS_MAX}`, signal);
  if (!found.total) return;
  place.append(section(`Linked from ${count(found.total)}`,
    h("ol", { class: "hits small" }, found.hits.map(hit)),
    found.next ? h("a", { class: "all", href: `#/search?to=${cid}` }, `All ${count(found.total)}`) : null));
}

/** Lists all statements, the newest first. */
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
    byId.get(cid)?.name ? isolated(byId.get(cid).name) : h("code", null, short(cid)));
  const facts = [
    update.target ? [update.standing === "retraction" ? "retracts " : "objects to ", jump(update.target)] : null,
    update.previous.filter((cid) => byId.has(cid)).map((cid) => [byId.get(cid).publisher === update.publisher ? "replaces " : "replies to ", jump(cid)]),
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
        publisher(update.publisher, update.publisher_name),
        h("span", { class: "standing", title: meaning }, label),
        update.name ? isolated(update.name, { class: "called" }) : null),
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
    found.record ? value(found.record.meta) : notice("The record is absent; the indexer asks for it again."),
  ];
}

const LINKS_MAX = 30;
const REFERRERS_MAX = 6;
const STATEMENTS_MAX = 50;
