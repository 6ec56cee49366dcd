// The network view: the ring with its cells, and the state of each peer.
import { count, fetchJson, h, notice, plural, short, svg } from "./dom.js";

const STATES = {
  settled: "has all elements of its arc",
  filling: "fetches missing elements",
  starting: "asks its partners for its last head",
  unreachable: "does not answer",
};

export async function network(place, { signal }) {
  document.title = "Network · Kittengrad";
  const drawing = h("div", { class: "large-ring" });
  const facts = h("div", { class: "ring-facts" });
  const table = h("div", { class: "peers" });
  place.append(h("h1", null, "The network"), h("div", { class: "ring-view" }, drawing, facts), table);
  await follow(signal, (ring, draw) => {
    const focused = document.activeElement?.dataset?.peer;
    drawing.replaceChildren(draw(ring));
    facts.replaceChildren(...describe(ring));
    table.replaceChildren(peers(ring, drawing));
    if (focused) table.querySelector(`[data-peer="${CSS.escape(focused)}"]`)?.focus();
  });
}

/** Fetches the ring every two seconds until the view is left. Calls `show` after each change. */
export async function follow(signal, show) {
  let last = "";
  while (!signal.aborted) {
    try {
      const ring = await fetchJson("/api/ring", signal);
      const text = JSON.stringify(ring);
      if (text !== last) show(ring, draw);
      last = text;
    } catch (error) {
      if (!signal.aborted) show({ error: error.message }, draw);
      last = "";
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

export function legend() {
  return h("ul", { class: "legend" }, Object.entries(STATES).map(([state, meaning]) =>
    h("li", { class: `state ${state}`, title: meaning }, state)));
}

function describe(ring) {
  if (ring.error) return [];
  const members = ring.peers.filter(isMember);
  const joining = ring.peers.length - members.length;
  const settled = members.filter((peer) => peer.state === "settled").length;
  return [
    h("p", { class: "lead" }, settled === members.length && settled > 1 ? `All ${count(settled)} peers are settled.` : `${count(settled)} of ${plural(members.length, "peer is", "peers are")} settled.`),
    joining ? h("p", null, `${plural(joining, "peer is", "peers are")} joining: without a cell, outside the circle.`) : null,
    h("p", null, `Every set has ${ring.replicas} copies. A write is acknowledged when ${ring.quorum} disks have it.`),
    ring.uncovered.length
      ? h("p", { class: "bad" }, `${plural(ring.uncovered.length, "arc has", "arcs have")} no settled peer that answers.`)
      : h("p", null, `The journals of ${plural(ring.cover.length, "peer", "peers")} together have all elements: the inner line.`),
    ...ring.aggregators.map((one) => h("p", { class: "aggregator" }, h("span", { class: `state ${known(one.state)}` }, one.state), " aggregator ",
      h("code", { title: one.id }, short(one.id)), one.height === null ? "" : ` at block ${count(one.height)}`, ...completeness(one))),
    legend(),
  ].filter(Boolean);
}

/** To which time the view of an aggregator is complete, and whom the cells wait for that are behind. */
function completeness(aggregator) {
  if (!aggregator.cells.length) return [];
  const to = (ms) => (ms === null ? "no time yet" : new Date(ms).toLocaleTimeString());
  const behind = aggregator.cells.filter((cell) => cell.waits_for.length);
  const waits = (cell) => h("li", { class: "bad" }, `cell ${short(cell.from)} to ${short(cell.to)}: complete to ${to(cell.complete_to_ms)}, waits for ${cell.waits_for.map(short).join(", ")}`);
  return [
    `, complete to ${to(aggregator.complete_to_ms)}`,
    behind.length ? h("ul", { class: "cells" }, behind.map(waits)) : null,
  ].filter(Boolean);
}

function peers(ring, drawing) {
  if (ring.error) return notice(`The ring cannot be read: ${ring.error}.`, "notice bad");
  const light = (id, isOn) => drawing.querySelectorAll("[data-id]").forEach((mark) => mark.classList.toggle("lit", isOn && mark.dataset.id === id));
  const row = (peer) => h("tr", { tabindex: "0", "data-peer": peer.id,
    mouseenter: () => light(peer.id, true), mouseleave: () => light(peer.id, false), focus: () => light(peer.id, true), blur: () => light(peer.id, false) },
    h("td", null, h("span", { class: `state ${known(peer.state)}` }, peer.state)),
    h("td", null, h("code", { title: peer.id }, short(peer.id))),
    h("td", { class: "figure" }, share(peer)),
    h("td", { class: "figure" }, peer.height === null ? "—" : count(peer.height)),
    h("td", null, peer.head ? h("code", { title: peer.head }, short(peer.head)) : "—"),
    h("td", null, h("code", null, peer.quic || "—"), " ", peer.http ? h("a", { href: `${peer.http}/status` }, "status") : null));
  return h("table", null,
    h("thead", null, h("tr", null, ["State", "Peer", "Own share", "Block", "Head", "Address"].map((name, i) => h("th", { scope: "col", class: i === 2 || i === 3 ? "figure" : null }, name)))),
    h("tbody", null, ring.peers.map(row)));
}

/** Draws the circle: points clockwise from the top, each cell in the colour of its peer's state. */
function draw(ring) {
  if (ring.error || !ring.peers.length) return notice(ring.error ? `The ring cannot be read: ${ring.error}.` : "The network has no peer yet.");
  const members = ring.peers.filter(isMember);
  const settled = members.filter((peer) => peer.state === "settled").length;
  const label = `A ring of ${plural(members.length, "peer", "peers")}, ${settled} of them settled`;
  const parts = [];
  const labels = spread(ring.peers);
  for (const { from, to } of ring.cover) parts.push(arc("cover", from, to, INNER, 0.5));
  for (const { from, to } of ring.uncovered) parts.push(arc("uncovered", from, to, INNER, 0.5));
  for (const peer of ring.peers) {
    const hint = svg("title", null, `${short(peer.id)} ${peer.state}, ${isMember(peer) ? `${share(peer)} of the circle` : "joining"}`);
    const cell = isMember(peer) ? arc("cell", peer.cell.from, peer.cell.to, CELLS, members.length > 60 ? 0 : 1) : null;
    parts.push(svg("g", { class: `peer ${known(peer.state)}`, "data-id": peer.id }, hint, cell,
      ...node(peer, ring.peers.length, labels.get(peer.id))));
  }
  const middle = svg("g", { class: "middle" },
    svg("text", { y: -4, class: "number" }, String(members.length)),
    svg("text", { y: 15 }, members.length === 1 ? "peer" : "peers"),
    svg("text", { y: 32, class: "copies" }, `${ring.replicas} copies`));
  return svg("svg", { class: "ring", viewBox: "-130 -130 260 260", role: "img", "aria-label": label }, parts, middle);
}

function node(peer, total, label) {
  const [x, y] = at(turn(peer.point), isMember(peer) ? CELLS : OUTSIDE);
  const size = total > 60 ? 3 : total > 20 ? 5 : 8;
  const marks = [svg("circle", { class: "node", cx: x, cy: y, r: size })];
  if (total <= 20) {
    const [labelX, labelY] = at(label, CELLS + 15);
    const side = labelX > 40 ? "start" : labelX < -40 ? "end" : "middle";
    marks.push(svg("text", { class: `label ${side}`, x: labelX, y: labelY + 3 }, peer.id.slice(0, 4)));
  }
  return marks;
}

/** Places the labels: each at its peer, or further clockwise, so that labels do not overlap. */
function spread(peers) {
  const labels = new Map();
  let last = -1;
  for (const peer of peers.slice().sort((a, b) => turn(a.point) - turn(b.point))) {
    last = Math.max(turn(peer.point), last + LABEL_TURN);
    labels.set(peer.id, last);
  }
  return labels;
}

/** Draws a part of the circle, clockwise, with a gap of `gap` degrees at both ends. */
function arc(className, from, to, radius, gap) {
  const begin = turn(from);
  let length = (turn(to) - begin + 1) % 1;
  if (from === to) length = 1;
  if (length > 0.9999) return svg("circle", { class: className, cx: 0, cy: 0, r: radius });
  const inset = Math.min(gap / 360, length / 4);
  const [x1, y1] = at(begin + inset, radius);
  const [x2, y2] = at(begin + length - inset, radius);
  return svg("path", { class: className, d: `M${x1} ${y1}A${radius} ${radius} 0 ${length - 2 * inset > 0.5 ? 1 : 0} 1 ${x2} ${y2}` });
}

/** Converts a point of 256 bits to a fraction of a turn. */
function turn(point) {
  return parseInt(point.slice(0, 13), 16) / 2 ** 52;
}

function at(turn, radius) {
  const angle = turn * 2 * Math.PI;
  return [(Math.sin(angle) * radius).toFixed(2) * 1, (-Math.cos(angle) * radius).toFixed(2) * 1];
}

/** Whether a peer is in the ring. A joining peer has no cell yet. */
function isMember(peer) {
  return peer.cell !== null;
}

function share(peer) {
  return isMember(peer) ? `${(peer.share * 100).toFixed(1)} %` : "joining";
}

function known(state) {
  return Object.hasOwn(STATES, state) ? state : "unreachable";
}

const CELLS = 96;
const INNER = 78;
const OUTSIDE = 104;
const LABEL_TURN = 0.045;
const EVERY_MS = 2000;
