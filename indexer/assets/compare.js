// What publishers say, side by side: where they differ, where they agree, and what only one of them says.
import { count, h, isSafe, said, time, who } from "./dom.js";

/** A table with a row for each field and a column for each statement that counts; the newest first. */
export function compare(heads) {
  const shown = heads.slice(0, COLUMNS_MAX);
  const all = fields(shown);
  const isEmpty = (row) => row.values.every((value) => value === undefined || isNothing(value));
  const rows = sorted(all.filter((row) => !isEmpty(row)));
  const empty = all.filter(isEmpty);
  const differing = rows.filter((row) => row.kind === "differ").length;
  const table = h("div", { class: "compare", role: "table", vars: { "--columns": String(shown.length) }, "aria-label": "What is said" },
    h("div", { class: "head", role: "row" }, h("span", { role: "columnheader", class: "unseen" }, "field"),
      shown.map((head) => h("div", { role: "columnheader" }, who(head.publisher, head.publisher_name), time(head.timestamp_ms)))),
    rows.map((row) => h("div", { class: `row ${row.kind}`, role: "row" },
      h("div", { class: "key", role: "rowheader" }, said(row.key)),
      row.values.map((cell, i) => cell === undefined
        ? h("div", { class: "cell none", role: "cell" }, shown.length > 1 ? h("span", { class: "unseen" }, "says nothing") : null)
        : h("div", { class: "cell", role: "cell" },
          shown.length > 1 ? h("div", { class: "speaker" }, who(shown[i].publisher, shown[i].publisher_name)) : null,
          value(cell))))),
    empty.length ? h("p", { class: "left-empty" }, "Left empty: ", empty.map((row, i) => [i ? ", " : "", said(row.key)])) : null);
  const notes = [];
  if (differing) notes.push(h("p", { class: "differs" }, `They differ in ${count(differing)} ${differing === 1 ? "field" : "fields"}.`));
  if (heads.length > shown.length) notes.push(h("p", { class: "soft" }, `${count(heads.length - shown.length)} more statements count; they are in the list below.`));
  return [...notes, table];
}

/** One row for what they call it, unless a key says just that, and one for every key. */
function fields(heads) {
  const keys = new Set(heads.flatMap((head) => Object.keys(head.meta ?? {})));
  const row = (key, values) => {
    const distinct = new Set(values.filter((value) => value !== undefined).map((value) => JSON.stringify(value)));
    const speakers = values.filter((value) => value !== undefined).length;
    return { key, values, kind: speakers < 2 ? "alone" : distinct.size > 1 ? "differ" : "agree" };
  };
  const own = (object, key) => (object && Object.hasOwn(object, key) ? object[key] : undefined);
  const rows = [...keys].map((key) => row(key, heads.map((head) => own(head.meta, key))));
  const names = heads.map((head) => head.name ?? undefined);
  const isTold = rows.some((row) => JSON.stringify(row.values) === JSON.stringify(names));
  return names.some(Boolean) && !isTold ? [row("called", names), ...rows] : rows;
}

/** Whether a field is there and says nothing. */
function isNothing(value) {
  return value === null || typeof value === "string" && !value.trim() || typeof value === "object" && !Object.keys(value).length;
}

const ORDER = { differ: 0, agree: 1, alone: 2 };

function sorted(rows) {
  return rows.map((row, i) => [row, i]).sort(([a, i], [b, j]) => ORDER[a.kind] - ORDER[b.kind] || i - j).map(([row]) => row);
}

/** A value of a record, in the form that its publisher gave it. */
export function value(of, depth = 0) {
  if (of === null) return h("span", { class: "empty" }, "null");
  if (typeof of === "string") return text(of);
  if (typeof of !== "object") return h("span", { class: "number" }, String(of));
  const entries = Array.isArray(of) ? of : Object.entries(of);
  if (!entries.length) return h("span", { class: "empty" }, Array.isArray(of) ? "[ ]" : "{ }");
  const isPlain = Array.isArray(of) && of.every((item) => item === null || typeof item !== "object");
  const body = () => (Array.isArray(of) ? items(of, depth) : pairs(of, depth));
  if (depth === 0 && (isPlain || !Array.isArray(of)) || leaves(of, 7) < 7) return body();
  const details = h("details", { class: "nested" }, h("summary", null, said(preview(of))));
  details.addEventListener("toggle", () => details.append(body()), { once: true });
  return details;
}

function text(of) {
  if (!of.trim()) return h("span", { class: "empty" }, of === "" ? "empty" : "blank");
  if (/^https?:\/\/\S+$/i.test(of) && isSafe(of)) {
    return h("a", { class: "outside", href: of, rel: "noopener noreferrer nofollow", target: "_blank" }, said(of));
  }
  return said(of, { class: "text" });
}

function items(of, depth) {
  return h("ul", { class: "items" }, of.map((item) => h("li", null, value(item, depth + 1))));
}

function pairs(of, depth) {
  return h("dl", { class: "pairs" }, Object.keys(of).map((key) =>
    h("div", null, h("dt", null, said(key)), h("dd", null, value(of[key], depth + 1)))));
}

/** How many values there are inside, counted no further than `most`. */
function leaves(of, most) {
  if (of === null || typeof of !== "object") return 1;
  let sum = 0;
  for (const item of Object.values(of)) {
    sum += leaves(item, most - sum);
    if (sum >= most) break;
  }
  return sum;
}

/** A few words of what is inside. */
function preview(of) {
  const words = [];
  const walk = (item) => {
    if (words.length >= 4 || item === null) return;
    if (typeof item === "object") Object.values(item).forEach(walk);
    else if (typeof item === "string" && item.trim() && item.length < 60 && !/^https?:/i.test(item)) words.push(item);
  };
  walk(of);
  const size = Array.isArray(of) ? `${count(of.length)} ${of.length === 1 ? "entry" : "entries"}` : `${count(Object.keys(of).length)} fields`;
  return words.length ? `${words.join(", ")} …` : size;
}

const COLUMNS_MAX = 4;
