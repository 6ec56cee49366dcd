// The heads of a document side by side: fields that differ, fields that agree, and fields of one head alone.
import { count, h, isolated, isSafe, publisher, time } from "./dom.js";

/** Draws a table with a row for each field and a column for each of the first COLUMNS_MAX heads, the newest first. */
export function compare(heads) {
  const shown = heads.slice(0, COLUMNS_MAX);
  const all = fields(shown);
  const isEmpty = (row) => row.values.every((value) => value === undefined || isBlank(value));
  const rows = sorted(all.filter((row) => !isEmpty(row)));
  const empty = all.filter(isEmpty);
  const differing = rows.filter((row) => row.kind === "differ").length;
  const table = h("div", { class: "compare", role: "table", vars: { "--columns": String(shown.length) }, "aria-label": "Current statements" },
    h("div", { class: "head", role: "row" }, h("span", { role: "columnheader", class: "unseen" }, "field"),
      shown.map((head) => h("div", { role: "columnheader" }, publisher(head.publisher, head.publisher_name), time(head.timestamp_ms)))),
    rows.map((row) => h("div", { class: `row ${row.kind}`, role: "row" },
      h("div", { class: "key", role: "rowheader" }, isolated(row.key)),
      row.values.map((cell, i) => cell === undefined
        ? h("div", { class: "cell none", role: "cell" }, shown.length > 1 ? h("span", { class: "unseen" }, "no value") : null)
        : h("div", { class: "cell", role: "cell" },
          shown.length > 1 ? h("div", { class: "speaker" }, publisher(shown[i].publisher, shown[i].publisher_name)) : null,
          value(cell))))),
    empty.length ? h("p", { class: "left-empty" }, "Empty fields: ", empty.map((row, i) => [i ? ", " : "", isolated(row.key)])) : null);
  const notes = [];
  if (differing) notes.push(h("p", { class: "differs" }, `The statements differ in ${count(differing)} ${differing === 1 ? "field" : "fields"}.`));
  if (heads.length > shown.length) notes.push(h("p", { class: "soft" }, `The list below has ${count(heads.length - shown.length)} more current statements.`));
  return [...notes, table];
}

/** Makes a row for the names, unless a key has the same values, and one for every key. */
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
  const hasNames = rows.some((row) => JSON.stringify(row.values) === JSON.stringify(names));
  return names.some(Boolean) && !hasNames ? [row("called", names), ...rows] : rows;
}

/** Whether a value is null, blank text, or a list or map without entries. */
function isBlank(value) {
  return value === null || typeof value === "string" && !value.trim() || typeof value === "object" && !Object.keys(value).length;
}

const ORDER = { differ: 0, agree: 1, alone: 2 };

function sorted(rows) {
  return rows.map((row, i) => [row, i]).sort(([a, i], [b, j]) => ORDER[a.kind] - ORDER[b.kind] || i - j).map(([row]) => row);
}

/** Draws a value of a record. Nested values of seven or more leaves are closed, and drawn when they are opened. */
export function value(of, depth = 0) {
  if (of === null) return h("span", { class: "empty" }, "null");
  if (typeof of === "string") return text(of);
  if (typeof of !== "object") return h("span", { class: "number" }, String(of));
  const entries = Array.isArray(of) ? of : Object.entries(of);
  if (!entries.length) return h("span", { class: "empty" }, Array.isArray(of) ? "[ ]" : "{ }");
  const isPlain = Array.isArray(of) && of.every((item) => item === null || typeof item !== "object");
  const body = () => (Array.isArray(of) ? items(of, depth) : pairs(of, depth));
  if (depth === 0 && (isPlain || !Array.isArray(of)) || leaves(of, 7) < 7) return body();
  const details = h("details", { class: "nested" }, h("summary", null, isolated(preview(of))));
  details.addEventListener("toggle", () => details.append(body()), { once: true });
  return details;
}

function text(of) {
  if (!of.trim()) return h("span", { class: "empty" }, of === "" ? "empty" : "blank");
  if (/^https?:\/\/\S+$/i.test(of) && isSafe(of)) {
    return h("a", { class: "outside", href: of, rel: "noopener noreferrer nofollow", target: "_blank" }, isolated(of));
  }
  return isolated(of, { class: "text" });
}

function items(of, depth) {
  return h("ul", { class: "items" }, of.map((item) => h("li", null, value(item, depth + 1))));
}

function pairs(of, depth) {
  return h("dl", { class: "pairs" }, Object.keys(of).map((key) =>
    h("div", null, h("dt", null, isolated(key)), h("dd", null, value(of[key], depth + 1)))));
}

/** Counts the leaves of a value, up to `most`. */
function leaves(of, most) {
  if (of === null || typeof of !== "object") return 1;
  let sum = 0;
  for (const item of Object.values(of)) {
    sum += leaves(item, most - sum);
    if (sum >= most) break;
  }
  return sum;
}

/** Summarizes a nested value: up to four short texts, else the number of entries. */
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
