// Building the page: elements out of text, never out of markup.

/** An element with attributes and children; strings become text, whatever they contain. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
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

/** Only pages of ours, and the web: an address in a record may be anything. */
export function isSafe(address) {
  return /^(#|\/(?!\/)|https?:\/\/)/i.test(address);
}

/** Somebody else's words: whatever direction they run in, they do not reverse what stands around them. */
export function said(text, attributes) {
  return h("bdi", attributes, text);
}

/** Fetches JSON; integers too large for a number stay text, so that no digit is lost. */
export async function fetchJson(path, signal) {
  const response = await fetch(path, { signal });
  const text = await response.text();
  let value;
  try {
    value = JSON.parse(text, (key, value, context) =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? context.source : value);
  } catch {
    throw new Error(`the indexer answered ${response.status} and no JSON`);
  }
  if (!response.ok) throw new Error(value?.error ?? `the indexer answered ${response.status}`);
  return value;
}

export const count = (number) => Number(number).toLocaleString("en");

export function plural(number, one, many) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

const day = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const moment = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });

/** A moment; the exact one is in its title. Publishers' clocks may say anything, even what is no date. */
export function time(ms, isExact) {
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return h("span", { class: "soft" }, "at no date");
  const text = isExact ? moment.format(date) : day.format(date);
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

/** How long ago, in few letters. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return day.format(new Date(ms));
}

export const short = (id) => `${id.slice(0, 8)}…`;

/** A hue for a key, the same everywhere. */
export function hue(key) {
  let sum = 7;
  for (const char of key) sum = (sum * 31 + char.charCodeAt(0)) % 3600;
  return String((sum * 137) % 360);
}

/** A publisher: name and a dot in the colour of its key. */
export function who(key, name) {
  if (!key) return h("span", { class: "who soft" }, "unknown publisher");
  return h("span", { class: "who", title: `publisher key ${key}`, vars: { "--hue": hue(key) } }, said(name ?? short(key)));
}

export const KINDS = { artefact: "Work", entity: "Person or place" };

export function kind(type) {
  return h("span", { class: `kind ${type in KINDS ? type : "unknown"}` }, KINDS[type] ?? "Not known yet");
}

/** What to call a document: its name, else its identifier, else its address. */
export function title(document) {
  const text = document.name || document.identifier || document.record?.meta?.id;
  return typeof text === "string" && text.trim() ? text : short(document.canonical);
}

export function notice(text, className = "notice") {
  return h("p", { class: className, role: "status" }, text);
}

/** An id that can be copied. */
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
