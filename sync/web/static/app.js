// What every page does with JavaScript; without it the same links and forms work, a page at a time.
//
// The server sends whole pages. A region (an element with an id and data-region) is put in place of the one that is
// shown, where it differs; so an answer to a form, a filter or a look for news all come the same way.

const text = (name) => document.body.dataset[`text${name}`] ?? "";

// --- regions ---------------------------------------------------------------------------------------------------------

const shown = new WeakMap(); // the regions' markup as the server sent it: the live one is edited by people and scripts
const markup = (region) => shown.get(region) ?? region.outerHTML;

function isBusy(region) {
  // Whoever types in a region, or has picked something in it, is not to lose that.
  const active = document.activeElement;
  return (
    (region.contains(active) && active.matches("input:not([type=checkbox]), textarea, select") && active.isConnected) ||
    region.querySelector("[data-dirty], [data-dragged]") !== null
  );
}

export function place(html, { force = false } = {}) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const regions = [...document.querySelectorAll("[data-region]")];
  if (regions.length && !regions.some((one) => fresh.getElementById(one.id) || isBusy(one))) {
    location.reload(); // another page by now: the first copy is complete, or somebody has to sign in again
    return;
  }
  for (const region of regions) {
    const next = fresh.getElementById(region.id);
    if (!next || next.outerHTML === markup(region)) continue;
    if (!force && isBusy(region)) continue;
    replace(region, next);
  }
  const said = fresh.getElementById("said");
  if (said?.firstElementChild) show(said.firstElementChild);
  if (fresh.title) document.title = fresh.title;
  document.dispatchEvent(new CustomEvent("placed"));
}

function replace(region, next) {
  const focus = region.contains(document.activeElement) ? path(document.activeElement) : null;
  const scroll = [...region.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const html = next.outerHTML;
  const fresh = document.importNode(next, true);
  shown.set(fresh, html);
  region.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((one, place) => (one.scrollLeft = scroll[place] ?? 0));
  if (focus) fresh.ownerDocument.querySelector(focus)?.focus({ preventScroll: true });
}

function path(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const name = element.getAttribute("name") ?? element.getAttribute("href");
  const holder = element.closest("[id]");
  const kind = element.getAttribute("name") ? "name" : "href";
  return name && holder ? `#${CSS.escape(holder.id)} [${kind}="${CSS.escape(name)}"]` : null;
}

// --- asking the server -----------------------------------------------------------------------------------------------

let asking = null;

export async function ask(address, options = {}) {
  // The page at an address, or what a form leads to. The newest question wins: an older one is given up.
  if (!options.method) asking?.abort();
  const control = new AbortController();
  if (!options.method) asking = control;
  const busy = setTimeout(() => document.body.classList.add("busy"), 150);
  try {
    const response = await fetch(address, { signal: control.signal, headers: { Accept: "text/html" }, ...options });
    online();
    return response;
  } catch (error) {
    if (error.name === "AbortError") return null;
    offline();
    if (options.method) toast(text("Failed"), true);
    return null;
  } finally {
    clearTimeout(busy);
    document.body.classList.remove("busy");
  }
}

export async function visit(address, { push = true, force = true } = {}) {
  const response = await ask(address);
  if (!response) return;
  if (response.redirected && new URL(response.url).pathname !== new URL(address, location).pathname) {
    location.assign(response.url);
    return;
  }
  if (push && response.url !== location.href) history.pushState({}, "", response.url);
  place(await response.text(), { force });
}

export async function submit(form, submitter) {
  const data = new FormData(form, submitter);
  const method = (submitter?.getAttribute("formmethod") ?? form.method).toLowerCase();
  const action = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? location.href;
  if (method === "get") {
    const query = new URLSearchParams([...data].filter(([, value]) => value !== ""));
    return visit(`${new URL(action, location).pathname}?${query}`);
  }
  const response = await ask(action, { method: "POST", body: new URLSearchParams(data) });
  if (!response) return false;
  const html = await response.text();
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const isPage = fresh.querySelector("[data-dialog-page]") !== null;
  if (isPage) {
    open(html); // it asks something back: which of two values, or what was wrong
    return false;
  }
  if (!fresh.getElementById("said")) {
    toast(fresh.querySelector("main")?.innerText.trim() || text("Failed"), true);
    return false;
  }
  form.closest("dialog")?.close();
  form.querySelectorAll("[data-dirty]").forEach((one) => one.removeAttribute("data-dirty"));
  if (new URL(response.url).pathname === location.pathname) place(html, { force: true });
  else location.assign(response.url);
  return true;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-enhance], dialog form") || event.defaultPrevented) return;
  event.preventDefault();
  submit(form, event.submitter);
});

addEventListener("popstate", () => visit(location.href, { push: false }));

// --- what was done ---------------------------------------------------------------------------------------------------

let fading = 0;

function show(element) {
  const said = document.getElementById("said");
  said.replaceChildren(document.importNode(element, true));
  clearTimeout(fading);
  fading = setTimeout(() => said.replaceChildren(), said.querySelector("form") ? 12000 : 6000);
}

export function toast(words, wrong = false) {
  const element = document.createElement("div");
  element.className = wrong ? "toast wrong" : "toast";
  const paragraph = element.appendChild(document.createElement("p"));
  paragraph.textContent = words;
  show(element);
}

const first = document.querySelector("#said > *");
if (first) show(first);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest("#said")) return;
  event.preventDefault();
  document.getElementById("said").replaceChildren();
  submit(form, event.submitter);
});

// --- dialogs: links and forms whose answer is a small page of its own ------------------------------------------------

function open(html) {
  const dialog = document.getElementById("dialog");
  const fresh = new DOMParser().parseFromString(html, "text/html");
  const content = fresh.querySelector("[data-dialog-page]") ?? fresh.querySelector("main");
  dialog.replaceChildren(document.importNode(content, true));
  const heading = dialog.querySelector("h1, h2");
  if (heading) heading.id = "dialog-title";
  const back = dialog.querySelector("input[name=back]");
  if (back) back.value = location.pathname + location.search;
  if (!dialog.open) dialog.showModal();
  (dialog.querySelector("[autofocus], input:not([type=hidden]), select, textarea, button") ?? dialog).focus();
}

export async function openDialog(address) {
  const response = await ask(address);
  if (response?.ok) open(await response.text());
  else if (response) toast(text("Failed"), true);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openDialog(link.href);
  }
  const closing = event.target.closest("dialog [data-close]");
  if (closing) {
    event.preventDefault();
    closing.closest("dialog").close();
  }
  const swapped = event.target.closest("a[data-enhance]");
  if (swapped && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    visit(swapped.href);
  }
  if (event.target.matches("dialog")) event.target.close(); // beside it
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- news: the page looks for them by itself -------------------------------------------------------------------------

let tag = null;

async function look() {
  const seconds = Number(document.body.dataset.live);
  if (seconds && document.visibilityState === "visible" && !document.querySelector("dialog[open]")) {
    const address = location.href;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) } });
      online();
      if (response.status === 401 && ![...document.querySelectorAll("[data-region]")].some(isBusy)) {
        location.reload(); // the session is over: it leads to the door
        return;
      }
      if (response.ok && response.status !== 304 && address === location.href) {
        tag = response.headers.get("ETag");
        place(await response.text());
      }
    } catch {
      offline();
    }
  }
  setTimeout(look, (seconds || 5) * 1000);
}
setTimeout(look, Number(document.body.dataset.live || 5) * 1000);

let heard = new Date();

function online() {
  heard = new Date();
  const notice = document.getElementById("offline");
  if (notice) notice.hidden = true;
}

function offline() {
  const notice = document.getElementById("offline");
  if (!notice) return;
  notice.textContent = `${text("Offline")} ${heard.toLocaleTimeString(document.documentElement.lang)}.`;
  notice.hidden = false;
}
addEventListener("offline", offline);

// --- the palette: Ctrl-K ---------------------------------------------------------------------------------------------

const palette = document.getElementById("palette");
const sought = palette?.querySelector("input");
const found = document.getElementById("palette-list");
let typing = 0;

function openPalette(words = "") {
  if (!palette || palette.open) return;
  palette.showModal();
  sought.value = words;
  find();
}

async function find() {
  const response = await ask(`/jump?q=${encodeURIComponent(sought.value)}`);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  found.replaceChildren(...[...fresh.querySelectorAll("[data-found] a")].map((one) => document.importNode(one, true)));
  [...found.children].forEach((one, place) => {
    one.id = `found-${place}`;
    one.setAttribute("role", "option");
    one.setAttribute("aria-selected", String(place === 0));
    one.tabIndex = -1;
  });
  select(0);
}

function select(place) {
  const all = [...found.children];
  if (!all.length) return sought.removeAttribute("aria-activedescendant");
  const at = (place + all.length) % all.length;
  all.forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
  all[at].scrollIntoView({ block: "nearest" });
  sought.setAttribute("aria-activedescendant", all[at].id);
}

const selected = () => [...found.children].findIndex((one) => one.getAttribute("aria-selected") === "true");

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
  }
});
// Not as soon as it has the focus: who goes on by Tab is not to be held up.
const jump = document.querySelector("[data-palette]");
for (const kind of ["click", "input"]) {
  jump?.addEventListener(kind, () => {
    const words = jump.value;
    jump.value = "";
    openPalette(words);
  });
}
sought?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(find, 80);
});
sought?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    select(selected() + (event.key === "ArrowDown" ? 1 : -1));
  } else if (event.key === "Enter") {
    event.preventDefault();
    found.children[selected()]?.click();
  }
});

// --- the viewer's time zone ------------------------------------------------------------------------------------------

if (!document.cookie.includes("zone=")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    document.cookie = `zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; SameSite=Lax`;
    if (!document.body.matches(".bare")) visit(location.href, { push: false, force: false });
  }
}
document.documentElement.classList.add("script");
