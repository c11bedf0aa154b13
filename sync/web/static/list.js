// The list of accounts: search as you type, selecting many, moving between cells and editing in them.

import { ask, submit, toast, visit } from "./app.js";

const filter = document.getElementById("filter");
const bulk = document.getElementById("bulk");
const table = () => document.querySelector("#table table");

// --- search and filters ----------------------------------------------------------------------------------------------

let typing = 0;
let isSearching = false; // the present entry of the browser's history is one of typing

function apply({ replaces = false } = {}) {
  const query = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value !== ""));
  const address = `${location.pathname}${query.size ? `?${query}` : ""}`;
  if (replaces) history.replaceState({}, "", address);
  visit(address, { push: !replaces });
}

filter.addEventListener("input", (event) => {
  if (event.target.type !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => {
    apply({ replaces: isSearching });
    isSearching = true;
  }, 180);
});
filter.addEventListener("change", (event) => {
  if (event.target.type === "search") return;
  const { alone } = event.target.dataset; // of these, one holds at a time
  if (alone && event.target.checked) {
    for (const one of filter.querySelectorAll(`[data-alone="${alone}"]`)) one.checked = one === event.target;
  }
  isSearching = false;
  apply();
});
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  apply({ replaces: isSearching });
});

function follow(everywhere = false) {
  // The form shows what the address asks for, however one came there: by a chip, a saved list, or back. Whoever types
  // is ahead of the address.
  const query = new URLSearchParams(location.search);
  for (const one of filter.elements) {
    if (!one.name || one.type === "hidden" || (one === document.activeElement && !everywhere)) continue;
    if (one.type === "checkbox") one.checked = query.getAll(one.name).includes(one.value);
    else one.value = query.get(one.name) ?? "";
  }
}

addEventListener("popstate", () => {
  clearTimeout(typing);
  isSearching = false;
  follow(true);
});

document.addEventListener("submit", (event) => {
  if (event.target.matches("#dialog form:not([method=post])")) event.target.closest("dialog").close();
});

// --- the columns' dialog: moving without asking the server -----------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-columns] button[name]");
  if (!button) return;
  event.preventDefault();
  const item = button.closest("li");
  const other = button.name === "up" ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return;
  if (button.name === "up") other.before(item);
  else other.after(item);
  const isHidden = getComputedStyle(button).visibility === "hidden";
  (isHidden ? item.querySelector(`button:not([name=${button.name}])`) : button).focus();
});

// --- selecting many --------------------------------------------------------------------------------------------------

const selected = new Set();
let last = null; // the row whose box was ticked last

const boxes = () => [...document.querySelectorAll('#table input[name="account"]')];

function mark() {
  if (!bulk) return;
  const all = boxes();
  for (const box of all) box.checked = selected.has(box.value);
  const every = bulk.elements.every;
  const count = every?.checked ? every.closest("label").innerText.trim() : selected.size.toLocaleString(document.documentElement.lang);
  bulk.elements.chosen.value = [...selected].join(",");
  bulk.classList.toggle("active", selected.size > 0);
  bulk.querySelector("[data-selected]").textContent = `${bulk.dataset.textSelected} ${count}`;
  bulk.querySelector("[data-clear]").hidden = false;
  const whole = document.querySelector("[data-all]");
  if (!whole) return;
  const ticked = all.filter((box) => box.checked).length;
  whole.checked = ticked > 0 && ticked === all.length;
  whole.indeterminate = ticked > 0 && ticked < all.length;
}

function tick(box, on) {
  if (on) selected.add(box.value);
  else selected.delete(box.value);
}

document.addEventListener("click", (event) => {
  const box = event.target.closest('#table input[name="account"]');
  if (!box) return;
  const all = boxes();
  const from = event.shiftKey && last ? all.findIndex((one) => one.value === last) : -1;
  const to = all.indexOf(box);
  const some = from < 0 ? [box] : all.slice(Math.min(from, to), Math.max(from, to) + 1);
  for (const one of some) tick(one, box.checked);
  last = box.value;
  mark();
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    for (const box of boxes()) tick(box, event.target.checked);
    mark();
  }
  if (bulk && event.target === bulk.elements.every) mark();
});
bulk?.querySelector("[data-clear]").addEventListener("click", () => {
  selected.clear();
  if (bulk.elements.every) bulk.elements.every.checked = false;
  mark();
  (document.querySelector("[data-all]") ?? document.getElementById("search")).focus();
});

// --- cells: moving between them, editing in them ---------------------------------------------------------------------

const editor = document.getElementById("cell");
let edited = null; // the id of the cell that somebody wanted to edit last

const cells = (row) => [...row.cells].filter((one) => !one.matches(".check"));
const fieldOf = (cell) => table()?.tHead.rows[0].cells[cell.cellIndex]?.dataset.field;
const canEdit = () => table()?.matches("[data-editable]") ?? false;

function prepare() {
  const grid = table();
  if (!grid || grid.getAttribute("role") === "grid") return;
  grid.setAttribute("role", "grid");
  const names = [...grid.tHead.rows[0].cells].map((one) => one.dataset.field);
  for (const row of grid.tBodies[0].rows) {
    for (const cell of row.cells) {
      if (cell.matches(".check")) continue;
      cell.tabIndex = -1;
      if (names[cell.cellIndex]) cell.classList.add("edit");
    }
  }
  const here = document.activeElement?.closest?.("#table td, #table th");
  (here?.closest("tbody") ? here : cells(grid.tBodies[0].rows[0])[0]).tabIndex = 0;
}

function go(cell) {
  if (!cell) return;
  for (const one of table().querySelectorAll('tbody [tabindex="0"]')) one.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus({ preventScroll: true });
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const MOVES = {
  ArrowUp: (row, place) => cells(row.previousElementSibling ?? row)[place],
  ArrowDown: (row, place) => cells(row.nextElementSibling ?? row)[place],
  ArrowLeft: (row, place) => cells(row)[Math.max(place - 1, 0)],
  ArrowRight: (row, place) => cells(row)[place + 1],
  Home: (row) => cells(row)[0],
  End: (row) => cells(row).at(-1),
};

document.addEventListener("keydown", (event) => {
  const cell = event.target;
  if (!cell.matches?.("#table tbody :is(td, th)") || event.altKey || event.metaKey) return;
  const row = cell.parentElement;
  if (MOVES[event.key]) {
    event.preventDefault();
    const edge = event.ctrlKey && event.key === "Home" ? row.parentElement.rows[0] : row.parentElement.rows[row.parentElement.rows.length - 1];
    const at = event.ctrlKey && ["Home", "End"].includes(event.key) ? edge : row;
    go(MOVES[event.key](at, cells(row).indexOf(cell)));
  } else if (event.key === "F2" || event.key === "Enter") {
    event.preventDefault();
    const link = cell.querySelector("a");
    if (event.key === "Enter" && cell.matches("th") && link) link.click();
    else edit(cell);
  } else if (event.key === " ") {
    event.preventDefault();
    row.querySelector(".check input")?.click();
  }
});

document.addEventListener("focusin", (event) => {
  const cell = event.target;
  if (cell.matches("#table tbody :is(td, th)") && cell.tabIndex !== 0) go(cell);
});

document.addEventListener("click", (event) => {
  const cell = event.target.closest("#table tbody td.edit");
  if (!cell || event.target.closest("a, button, input") || getSelection().toString()) return;
  edit(cell);
});

async function edit(cell) {
  const field = fieldOf(cell);
  if (!field || !canEdit()) return;
  edited = cell.id;
  const id = cell.parentElement.dataset.id;
  const response = await ask(`/accounts/${id}/fields/${encodeURIComponent(field)}`);
  if (!response) return;
  if (!response.ok) {
    toast(document.body.dataset.textFailed, true);
    return;
  }
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const content = fresh.querySelector("[data-dialog-page]");
  if (!content || edited !== cell.id) return;
  editor.replaceChildren(document.importNode(content, true));
  for (const back of editor.querySelectorAll("input[name=back]")) back.value = location.pathname + location.search;
  editor.dataset.over = edited;
  editor.showModal();
  put(document.getElementById(edited) ?? cell);
  const control = editor.querySelector("[autofocus], .control :is(input, select, textarea), input:not([type=hidden]), select, textarea, button");
  control?.focus();
  if (control?.matches("input:not([type=checkbox])")) control.select();
}

function put(cell) {
  // Over the cell, and inside of the window.
  const at = cell.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = editor;
  editor.style.left = `${Math.max(4, Math.min(at.left, innerWidth - width - 4))}px`;
  editor.style.top = `${Math.max(4, Math.min(at.top, innerHeight - height - 4))}px`;
}

// This comes a moment after it is closed: somebody may already want to edit again.
editor?.addEventListener("close", () => go(document.getElementById(editor.dataset.over)));
editor?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("select, input[type=checkbox]")) {
    event.preventDefault();
    const form = event.target.form;
    submit(form, form.querySelector("button:not([type=button])"));
  }
});

// --- after anything was put in place ---------------------------------------------------------------------------------

document.addEventListener("placed", () => {
  follow();
  mark();
  prepare();
});
follow();
mark();
prepare();
