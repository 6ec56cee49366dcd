// Builds elements from text, never from markup.

/** Makes an element with attributes and children. Strings become text, also those with markup. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Makes an SVG element, like `h`. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "vars") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else if (name !== "href" || isSafe(value)) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Whether an address is a page of this indexer, or http(s). An address in a record may have any scheme. */
export function isSafe(address) {
  return /^(#|\/(?!\/)|https?:\/\/)/i.test(address);
}

/** Isolates text of a publisher, so that right-to-left text does not reverse the text around it. */
export function isolated(text, attributes) {
  return h("bdi", attributes, text);
}

/** Fetches JSON. Integers beyond 2^53 stay text, so that no digit is lost. */
export async function fetchJson(path, signal) {
  const response = await fetch(path, { signal });
  const text = await response.text();
  let value;
  try {
    value = JSON.parse(text, (key, value, context) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? context.source : value);
  } catch {
    throw new Error(`the indexer answered with status ${response.status}, without JSON`);
  }
  if (!response.ok) throw new Error(value?.error ?? `the indexer answered with status ${response.status}`);
  return value;
}

export const count = (number) => Number(number).toLocaleString("en");

export function plural(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

const day = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** Shows a date; the exact time is in its title. A publisher's clock may have any value, even one that is not a date. */
export function time(ms, isExact) {
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return h("span", { class: "soft" }, "invalid date");
  const text = isExact ? moment.format(date) : day.format(date);
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

/** The time since `ms`, in short form: "now", "7 s", "3 min", "5 h", or the date. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return day.format(new Date(ms));
}

export const short = (id) => `${id.slice(0, 8)}…`;

/** The hue of a key, the same on every page. */
export function hue(key) {
  let sum = 7;
  for (const char of key) sum = (sum * 31 + char.charCodeAt(0)) % 3600;
  return String((sum * 137) % 360);
}

/** Shows a publisher: its name, and a dot in the colour of its key. */
export function publisher(key, name) {
  if (!key) return h("span", { class: "who soft" }, "unknown publisher");
  return h("span", { class: "who", title: `publisher key ${key}`, vars: { "--hue": hue(key) } }, isolated(name ?? short(key)));
}

export const KINDS = { artefact: "Work", entity: "Person or place" };

export function kind(type) {
  return h("span", { class: `kind ${type in KINDS ? type : "unknown"}` }, KINDS[type] ?? "Unknown type");
}

/** The title of a document: its name, else its identifier, else the beginning of its CID. */
export function title(document) {
  const text = document.name || document.identifier || document.record?.meta?.id;
  return typeof text === "string" && text.trim() ? text : short(document.canonical);
}

export function notice(text, className = "notice") {
  return h("p", { class: className, role: "status" }, text);
}

/** A button that copies an id, or selects it if the clipboard is not available. */
export function copyable(text) {
  const button = h("button", { class: "copy", type: "button", title: "Copy" }, h("code", null, text));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.dataset.done = "copied";
      setTimeout(() => delete button.dataset.done, 1500);
    } catch {
      getSelection().selectAllChildren(button);
    }
  });
  return button;
}
