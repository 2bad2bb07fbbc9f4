"""What the smear report does in the browser: decisions about cells, kept, shown and saved. No network."""

SCRIPT = r"""
"use strict";
(() => {
const facts = JSON.parse(document.getElementById("facts").textContent);
const byId = (id) => document.getElementById(id);
const desk = byId("desk");
listen();
if (!desk) return;
const thumbs = [...document.querySelectorAll(".cell")];
const order = [...new Set(thumbs.map((t) => t.dataset.id))];
const key = "retina-domains corrections " + facts.report;
const words = {confirm: "confirmed", reject: "rejected", relabel: "relabelled"};
// Decisions of another page of the same count, which are kept for it.
let others = [];
let decisions = {}, added = [], current = 0, unsaved = false, storage = null;

// Some browsers refuse storage to pages opened from disk.
try { storage = window.localStorage; storage.getItem(key); } catch (error) { storage = null; }

const say = (text) => { byId("say").textContent = text; };
const cellOf = (id) => facts.cells[id];
const labelOf = (id) => decisions[id]?.label ?? cellOf(id).label;

function keep() {
  if (!storage) return;
  try {
    storage.setItem(key, JSON.stringify({who: byId("who").value, decisions, added, others}));
  } catch (error) { storage = null; say("This browser cannot keep decisions: save them before you leave."); }
}

function restore() {
  if (!storage) return;
  try {
    const kept = JSON.parse(storage.getItem(key) ?? "null");
    if (!kept) return;
    byId("who").value = kept.who ?? "";
    others = take([...Object.values(kept.decisions ?? {}), ...(kept.added ?? []), ...(kept.others ?? [])]);
  } catch (error) { say("What this browser kept could not be read: it is left out."); }
}

const samePlace = (a, b) => a.field === b.field && a.slide === b.slide && String(a.xyxy) === String(b.xyxy);

// Decisions from anywhere are taken only about cells, fields and classes of this page; returns the others.
function take(list) {
  const left = [];
  for (const d of list) {
    if (d.action === "add") {
      const known = facts.fields.some((f) => f.slide === d.slide && f.name === d.field);
      const clear = facts.classes.includes(d.label) && Array.isArray(d.xyxy) && d.xyxy.length === 4;
      // What was added before is among the cells of this page already.
      const again = [...added, ...facts.earlier].some((one) => one.action === "add" && samePlace(one, d));
      if (known && clear && !again) added.push(d); else if (!again) left.push(d);
      continue;
    }
    const known = Object.hasOwn(facts.cells, d.cell) && Object.hasOwn(words, d.action);
    const clear = d.action !== "relabel" || facts.classes.includes(d.label);
    if (known && clear) decisions[d.cell] = d; else left.push(d);
  }
  return left;
}

function told(id) {
  const d = decisions[id];
  if (!d) return "";
  return (d.action === "relabel" ? "now " + d.label : words[d.action]) + " by " + d.by;
}

function draw() {
  for (const thumb of thumbs) {
    const id = thumb.dataset.id, d = decisions[id];
    thumb.dataset.said = d ? d.action : "";
    thumb.querySelector(".label").textContent = labelOf(id);
    thumb.querySelector(".tag").textContent = facts.tags[facts.classes.indexOf(labelOf(id))];
    thumb.querySelector(".said").textContent = d ? { confirm: "\u2713 confirmed", reject: "\u2715 rejected",
      relabel: "\u2192 " + d.label }[d.action] : "";
    thumb.setAttribute("aria-current", String(id === order[current]));
  }
  const id = order[current], cell = cellOf(id), d = decisions[id];
  byId("big").src = thumbs.find((t) => t.dataset.id === id).querySelector("img").src;
  byId("big").alt = cell.label + " in " + cell.field;
  byId("what").textContent = labelOf(id) + (d?.action === "relabel" ? " (was " + cell.label + ")" : "");
  byId("where").textContent = "score " + cell.score.toFixed(2) + ", " + cell.field
    + ", x " + cell.x + ", y " + cell.y + " px, cell " + id;
  byId("told").textContent = d ? told(id) + ", " + new Date(d.at).toLocaleString() : "not looked at yet";
  for (const button of desk.querySelectorAll("[data-do]")) {
    const mine = d && d.action === button.dataset.do && d.label === button.dataset.label;
    button.setAttribute("aria-pressed", String(Boolean(mine)));
  }
  const done = order.filter((one) => decisions[one]).length;
  byId("progress").max = order.length;
  byId("progress").value = done;
  byId("done").textContent = done + " of " + order.length + " cells looked at";
  byId("save").disabled = done + added.length === 0;
  drawAdded();
}

function drawAdded() {
  for (const old of document.querySelectorAll(".mark")) old.remove();
  for (const figure of document.querySelectorAll("figure[data-place]")) {
    const field = facts.fields[Number(figure.dataset.place)];
    for (const d of added.filter((one) => one.slide === field.slide && one.field === field.name)) {
      const mark = document.createElement("button"), [x1, y1, x2, y2] = d.xyxy;
      mark.type = "button";
      mark.className = "mark";
      mark.textContent = facts.tags[facts.classes.indexOf(d.label)] || d.label;
      mark.setAttribute("aria-label", "Added " + d.label + ": take it back");
      mark.style.left = 100 * x1 / field.width + "%";
      mark.style.top = 100 * y1 / field.height + "%";
      mark.style.width = 100 * (x2 - x1) / field.width + "%";
      mark.style.height = 100 * (y2 - y1) / field.height + "%";
      mark.addEventListener("click", () => {
        added = added.filter((one) => one !== d);
        changed("Added cell taken back.");
      });
      figure.querySelector(".picture").append(mark);
    }
  }
}

function changed(text) {
  unsaved = true;
  keep();
  draw();
  say(text);
}

// The name of who decides; asks for it where it is not known yet.
function name() {
  const by = byId("who").value.trim();
  if (!by) {
    say("Write your name first: a correction says who made it.");
    byId("who").focus();
  }
  return by;
}

// A cell that was missed, where the picture was clicked; its box is as large as boxes of its class are.
function add(figure, event) {
  const by = name();
  if (!by) return;
  const field = facts.fields[Number(figure.dataset.place)], label = figure.querySelector("select").value;
  const box = figure.querySelector("img").getBoundingClientRect();
  const [wide, high] = facts.sides[facts.classes.indexOf(label)];
  const x = (event.clientX - box.x) / box.width * field.width;
  const y = (event.clientY - box.y) / box.height * field.height;
  const fit = (value, most) => Math.round(10 * Math.min(Math.max(value, 0), most)) / 10;
  const xyxy = [fit(x - wide / 2, field.width), fit(y - high / 2, field.height),
    fit(x + wide / 2, field.width), fit(y + high / 2, field.height)];
  const at = new Date().toISOString();
  added.push({action: "add", slide: field.slide, field: field.name, xyxy, label, by, at});
  changed("Added a " + label + " in " + field.name + ".");
}

// Fields can be enlarged, and where there is a desk, cells be added to them.
function listen() {
  for (const figure of document.querySelectorAll("figure[data-place]")) {
    const zoom = figure.querySelector(".zoom"), adding = figure.querySelector(".adding");
    const size = (large) => {
      figure.classList.toggle("large", large);
      zoom.setAttribute("aria-expanded", String(large));
    };
    const mode = (on) => {
      figure.classList.toggle("adds", on);
      adding.setAttribute("aria-pressed", String(on));
    };
    zoom.addEventListener("click", (event) => {
      // A click by the keyboard has no place.
      if (figure.classList.contains("adds") && event.detail) add(figure, event);
      else size(!figure.classList.contains("large"));
    });
    adding?.addEventListener("click", () => {
      const on = !figure.classList.contains("adds");
      mode(on);
      if (on) size(true);
    });
  }
}

function go(place) {
  current = (place + order.length) % order.length;
  draw();
}

function decide(action, label) {
  const by = name(), id = order[current];
  if (!by) return;
  const d = {action, cell: id};
  if (action === "relabel") {
    if (label === cellOf(id).label) { decide("confirm"); return; }
    d.label = label;
  }
  decisions[id] = {...d, by, at: new Date().toISOString()};
  changed(cellOf(id).label + " in " + cellOf(id).field + ": " + told(id) + ".");
  const later = order.findIndex((one, k) => k > current && !decisions[one]);
  go(later < 0 ? current : later);
}

function undo() {
  delete decisions[order[current]];
  changed("Decision taken back.");
}

// All corrections: those that the count was made with, as they are now, and those of this page.
function all() {
  const list = [], told = new Set();
  for (const {id, ...e} of facts.earlier) {
    const d = decisions[id ?? e.cell];
    const anew = d ? {by: d.by, at: d.at} : {};
    if (id) {
      // An added cell is none of the detector's: it is added otherwise, or no more.
      told.add(id);
      if (d?.action !== "reject") list.push({...e, label: d?.label ?? e.label, ...anew});
    } else if (!d || (d.action === "confirm" && e.action === "relabel")) {
      // What is confirmed is the class that it was given.
      told.add(e.cell);
      list.push({...e, ...anew});
    }
  }
  const fresh = order.filter((id) => decisions[id] && !told.has(id)).map((id) => decisions[id]);
  return [...list, ...fresh, ...added];
}

function save() {
  const content = {
    format: facts.format, version: facts.version, report: facts.report, title: facts.title,
    classes: facts.classes, inputs: facts.inputs, saved_at: new Date().toISOString(),
    corrections: all(),
  };
  const link = document.createElement("a");
  const text = JSON.stringify(content, null, 1) + "\n";
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "corrections-" + facts.report + ".json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  say("Saved " + content.corrections.length + " corrections as " + link.download + ".");
}

async function load(file) {
  try {
    const content = JSON.parse(await file.text());
    if (content.format !== facts.format || content.report !== facts.report) {
      say(file.name + " holds no corrections of this report.");
      return;
    }
    const left = take(content.corrections).length;
    keep();
    const about = left ? " (" + left + " are not of cells shown here)" : "";
    say("Loaded " + (content.corrections.length - left) + " corrections" + about + ".");
    draw();
  } catch (error) { say(file.name + " could not be read: expected a corrections file."); }
}

for (const button of desk.querySelectorAll("[data-do]"))
  button.addEventListener("click", () => decide(button.dataset.do, button.dataset.label));
byId("previous").addEventListener("click", () => go(current - 1));
byId("next").addEventListener("click", () => go(current + 1));
byId("undo").addEventListener("click", undo);
byId("save").addEventListener("click", save);
byId("load").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", (event) => {
  if (event.target.files[0]) load(event.target.files[0]);
  event.target.value = "";
});
byId("who").addEventListener("change", keep);
for (const thumb of thumbs) thumb.addEventListener("click", () => {
  go(order.indexOf(thumb.dataset.id));
  desk.scrollIntoView({block: "nearest"});
});
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea");
  const box = desk.getBoundingClientRect();
  // A key that decides must not work on a cell that nobody sees.
  const unseen = box.bottom < 60 || box.top > innerHeight - 60;
  if (typing || unseen || event.ctrlKey || event.metaKey || event.altKey) return;
  const digit = /^[1-9]$/.test(event.key) ? facts.classes[Number(event.key) - 1] : undefined;
  const pressed = event.key.toLowerCase();
  if (event.key === "ArrowRight") go(current + 1);
  else if (event.key === "ArrowLeft") go(current - 1);
  else if (pressed === "c") decide("confirm");
  else if (pressed === "r") decide("reject");
  else if (pressed === "u") undo();
  else if (digit) decide("relabel", digit);
  else return;
  event.preventDefault();
});
window.addEventListener("beforeunload", (event) => { if (unsaved && !storage) event.preventDefault(); });

restore();
go(Math.max(0, order.findIndex((id) => !decisions[id])));
})();
"""
