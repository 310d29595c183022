"use strict";

const EVERY = 1000;
const LOOK = new Map(Object.entries({
  ready: "good", starting: "warn", waiting: "calm", off: "calm", stopping: "warn", restarting: "warn", failed: "bad",
  stopped: "calm", running: "warn", paused: "calm", promoting: "warn", promoted: "good", rolling_back: "bad",
  rolled_back: "bad", firing: "bad", pending: "warn", rollback: "bad", advance: "good", promote: "good",
}));
const SVG = "http://www.w3.org/2000/svg";
const open = new Set();

/* What comes from outside is only ever text: no markup is made of it. */
function make(space, name, attributes, children) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
  return made;
}
const element = (name, attributes, ...children) => make(null, name, attributes, children);
const shape = (name, attributes, ...children) => make(SVG, name, attributes, children);
const percent = (share) => `${Math.round(share * 1000) / 10} %`;
const words = (value) => value.replaceAll("_", " ");
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
const state = (name) => element("span", { class: `state ${LOOK.get(name) || "calm"}` }, words(name));
const link = (url, name, key) =>
  /^https?:\/\/|^\//.test(url) ? element("a", { href: url, "data-key": key }, name) : element("span", {}, name);

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const [large, small, ratio] = whole < 3600 ? ["min", "s", 60] : ["h", "min", 3600];
  const rest = Math.floor((whole % ratio) / (ratio / 60));
  return `${Math.floor(whole / ratio)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

const drawn = new Map();

/* Draws a part only when it differs, and leaves the keyboard's focus where it is. */
function draw(id, data, render) {
  const key = JSON.stringify(data);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  const focused = document.activeElement?.dataset.key;
  const tops = new Map([...document.querySelectorAll(`#${id} [data-key]`)].map((each) => [each.dataset.key, each.scrollTop]));
  document.getElementById(id).replaceChildren(...[render(data)].flat().filter(Boolean));
  for (const each of document.querySelectorAll(`#${id} [data-key]`)) {
    each.scrollTop = tops.get(each.dataset.key) || 0;
    if (focused && each.dataset.key === focused) each.focus();
  }
}

function chart(rollout, now) {
  const points = rollout.history.map((each) => ({ at: each.at, weight: Math.min(1, Math.max(0, each.weight)) }));
  if (!points.length) return null;
  const [left, right, top, bottom] = [48, 908, 14, 210];
  const first = points[0].at;
  const last = Math.max(first + 1, ENDED.includes(rollout.phase) ? points.at(-1).at : now);
  const x = (at) => left + ((Math.min(last, Math.max(first, at)) - first) / (last - first)) * (right - left);
  const y = (weight) => bottom - weight * (bottom - top);
  let line = `M${x(first)} ${y(points[0].weight)}`;
  for (const point of points.slice(1)) line += `H${x(point.at)}V${y(point.weight)}`;
  line += `H${x(last)}`;
  const latest = points.at(-1).weight;
  const label = `Share of the traffic that the canary had, from ${percent(points[0].weight)} to ${percent(latest)} over ${span(last - first)}`;
  const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    shape("line", { class: "grid", x1: left, x2: right, y1: y(share), y2: y(share) }),
    shape("text", { x: left - 8, y: y(share) + 4, "text-anchor": "end" }, percent(share)),
  ]);
  const steps = rollout.steps.map((share) =>
    shape("line", { class: "step", x1: left, x2: right, y1: y(share), y2: y(share) }));
  const times = [0, 0.25, 0.5, 0.75, 1].map((share) =>
    shape("text", { x: left + share * (right - left), y: bottom + 18, "text-anchor": share === 1 ? "end" : share ? "middle" : "start" },
      span(share * (last - first))));
  const weightAt = (at) => points.filter((point) => point.at <= at + 0.5).at(-1)?.weight ?? points[0].weight;
  const dots = rollout.decisions.filter((each) => ["advance", "promote", "rollback"].includes(each.outcome)).map((each) =>
    shape("circle", { class: `dot ${LOOK.get(each.outcome) || ""}`, cx: x(each.at), cy: y(weightAt(each.at)), r: 5 },
      shape("title", {}, `${clock(each.at)}: ${each.text}`)));
  return shape("svg", { viewBox: "0 0 920 236", role: "img", "aria-label": label, id: "weight", "data-points": points.length, "data-latest": latest },
    shape("title", {}, label), grid, steps, times,
    shape("path", { class: "area", d: `${line}V${y(0)}H${x(first)}Z` }), shape("path", { class: "weight", d: line }), dots);
}

function figures(pairs) {
  return element("dl", { class: "figures" }, pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

const ENDED = ["promoted", "rolled_back"];

function rollout(found) {
  if (!found) return element("p", { class: "text" }, "There has been no rollout yet: all traffic goes to the champion.");
  const steps = found.steps.length;
  const back = ["rolling_back", "rolled_back"].includes(found.phase);
  return [
    figures([
      ["State", state(found.phase)],
      ["Canary's share", percent(found.weight)],
      ["Step", steps ? `${found.step + 1} of ${steps}` : "-"],
      [ENDED.includes(found.phase) ? "Versions" : "Champion, canary", `${found.champion || "none"} → ${found.canary}`],
      ["Held for", span(found.held)],
    ]),
    back
      ? element("p", { class: "reason", id: "reason" },
        element("strong", {}, `Rolled back: ${words(found.reason) || "no reason was given"}`), element("br"), found.text)
      : found.text ? element("p", { class: "text" }, found.text) : null,
  ];
}

function decisions(found) {
  if (!found) return [];
  const rows = found.decisions.slice(-60).reverse().map((each) =>
    element("li", {}, element("time", {}, clock(each.at)), state(each.outcome), element("span", {}, each.text)));
  return [
    found.report ? element("p", { class: "text" }, link("/report", "Report of the rollout", "report")) : null,
    rows.length ? element("ol", { "aria-label": "Decisions, the latest first", tabindex: "0", "data-key": "decisions" }, rows) : null,
  ];
}

function alerts(found) {
  if (found.error) return element("p", { class: "text" }, found.error);
  if (!found.found.length) return element("p", { class: "text good" }, "No alert fires.");
  return table(["Alert", "State", "Severity", "What"], found.found.map((each) => row([
    element("strong", {}, each.name), state(each.state), each.severity,
    element("span", {}, each.summary, element("br"), element("span", { class: "calm" }, each.description)),
  ])));
}

const row = (cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell)));

function table(heads, rows) {
  const head = element("tr", {}, heads.map((each) => element("th", { scope: "col" }, each)));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, rows)));
}

function processes(found) {
  return table(["Process", "State", "Details", "Since", "Restarts", "Ports", "Log"], found.flatMap((each) => {
    const shown = open.has(each.name);
    const button = element("button", { type: "button", "aria-label": `Log of ${each.name}`, "aria-expanded": String(shown), "data-key": `log-${each.name}` },
      shown ? "close" : "log");
    button.addEventListener("click", () => {
      if (!open.delete(each.name)) open.add(each.name);
      drawn.delete("processes");
      draw("processes", found, processes);
    });
    const details = [each.text, each.state === "ready" && !each.answers ? "does not answer" : ""].filter(Boolean).join(", ");
    const tail = element("pre", { tabindex: "0", "data-key": `tail-${each.name}` }, each.tail.join("\n") || `${each.log} is empty`);
    return [
      row([element("strong", {}, each.name), state(each.state), details, clock(each.since), String(each.restarts), Object.values(each.ports).join(", "), button]),
      shown ? element("tr", {}, element("td", { colspan: "7", class: "log" }, tail)) : null,
    ];
  }));
}

function health(found) {
  const bad = found.processes.filter((each) => each.state === "failed").map((each) => each.name);
  const firing = found.alerts.found.filter((each) => each.state === "firing").length;
  const moving = found.processes.some((each) => ["starting", "restarting"].includes(each.state));
  const [look, said] = found.ending ? ["warn", "ending"]
    : bad.length ? ["bad", `${bad.join(", ")} failed`]
    : firing ? ["bad", `${firing} alert${firing > 1 ? "s" : ""} firing`]
    : moving ? ["warn", "starting"] : ["good", "everything runs"];
  const place = document.getElementById("health");
  if (place.textContent !== said) place.textContent = said;
  place.className = look;
}

async function turn() {
  try {
    const answer = await fetch("/api/status.json", { cache: "no-store" });
    const found = await answer.json();
    document.title = `${found.project}: mlopsgen`;
    document.getElementById("project").textContent = found.project;
    draw("links", found.links, (links) => Object.entries(links).map(([name, url]) => link(url, name, name)));
    health(found);
    draw("rollout", found.rollout, rollout);
    const moves = found.rollout && !ENDED.includes(found.rollout.phase);
    draw("chart", [found.rollout, moves ? found.now : 0], ([given, now]) => given && chart(given, now));
    draw("decisions", found.rollout, decisions);
    draw("alerts", found.alerts, alerts);
    draw("processes", found.processes, processes);
    document.body.dataset.turns = Number(document.body.dataset.turns || 0) + 1;
  } catch (error) {
    const place = document.getElementById("health");
    place.textContent = error instanceof TypeError ? "no answer: has `mlopsgen up` ended?" : `this page has a fault: ${error}`;
    place.className = "bad";
  }
  setTimeout(turn, EVERY);
}

turn();
