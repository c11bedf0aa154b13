// The board: cards are dragged to another day, or moved by keys. Everything it does are the links and forms of the cards.

import { openDialog, submit, toast } from "./app.js";

const board = () => document.getElementById("board");
const cardAt = (node) => node.closest?.("#board .card");
const columnAt = (node) => node.closest?.("#board .column");
const action = (card, kind) => card.querySelector(kind === "done" ? ".acts button" : ".acts a");

// --- dragging --------------------------------------------------------------------------------------------------------

let dragged = null;

document.addEventListener("dragstart", (event) => {
  const card = cardAt(event.target);
  if (!card?.draggable) return;
  dragged = card;
  card.dataset.dragged = ""; // no news are put in place meanwhile
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.querySelector("h3").innerText);
  board().classList.add("dragging");
});

document.addEventListener("dragover", (event) => {
  const column = dragged && columnAt(event.target);
  for (const one of document.querySelectorAll("#board .column.over")) if (one !== column) one.classList.remove("over");
  if (!column) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  column.classList.add("over");
});

document.addEventListener("drop", (event) => {
  const column = dragged && columnAt(event.target);
  if (!column) return;
  event.preventDefault();
  if (column !== columnAt(dragged)) put(dragged, column);
});

document.addEventListener("dragend", () => {
  if (dragged) delete dragged.dataset.dragged;
  dragged = null;
  board().classList.remove("dragging");
  document.querySelectorAll("#board .column.over").forEach((one) => one.classList.remove("over"));
});

// What the column says about a card that is put there: its day, a question for the day, or why not.
function put(card, column) {
  const { drop, day, refusal } = column.dataset;
  const { id, activity } = card.dataset;
  if (drop === "refuse") return toast(refusal, true);
  if (!activity) return openDialog(`/accounts/${id}/activities/new?date=${day}`);
  if (drop === "ask") return openDialog(`/activities/${activity}/reschedule?date=${day}`);
  return reschedule(card, column, `/activities/${activity}/reschedule`, day);
}

async function reschedule(card, column, address, day) {
  const [home, next] = [card.parentElement, card.nextElementSibling];
  const form = document.getElementById("done").cloneNode(true);
  form.removeAttribute("id");
  form.setAttribute("action", address);
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "date", value: day }));
  form.elements.back.value = location.pathname + location.search;
  column.querySelector("ul").prepend(card); // at once; the answer says how it really is
  if (!(await submit(form))) home.insertBefore(card, next);
}

// The form of all "done" buttons leads back to the board as it is filtered now.
document.addEventListener(
  "submit",
  (event) => {
    if (event.target.id === "done") event.target.elements.back.value = location.pathname + location.search;
  },
  true,
);

// --- keys ------------------------------------------------------------------------------------------------------------

const link = (card) => card?.querySelector("h3 a");
const cardsOf = (column) => [...column.querySelectorAll(".card")];

function neighbour(card, key) {
  const column = columnAt(card);
  const place = cardsOf(column).indexOf(card);
  if (key === "ArrowDown" || key === "ArrowUp") return cardsOf(column)[place + (key === "ArrowDown" ? 1 : -1)];
  const filled = [...document.querySelectorAll("#board .column")].filter((one) => one === column || cardsOf(one).length);
  const beside = filled[filled.indexOf(column) + (key === "ArrowRight" ? 1 : -1)];
  return beside && (cardsOf(beside)[place] ?? cardsOf(beside).at(-1));
}

document.addEventListener("keydown", (event) => {
  const card = cardAt(event.target);
  if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow")) {
    const next = link(neighbour(card, event.key));
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  } else if (event.key === "m" || event.key === "M") {
    action(card, "move")?.click();
  } else if (event.key === "d" || event.key === "D") {
    action(card, "done")?.click();
  }
});
