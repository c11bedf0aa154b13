// Fields edited where they are shown: a link marked data-edit leads to a form, which takes the place of the value.
// Also inputs that suggest names of records while somebody types.
import { ask, submit } from "./app.js";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-edit]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  begin(link);
});

async function begin(link) {
  const place = link.closest("[data-field]");
  if (!place || place.querySelector("form.here")) return;
  const response = await ask(link.href, { headers: { Accept: "text/html" } });
  if (!response) return;
  const form = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-field-form]");
  if (!form) return location.assign(link.href); // a page that says why not
  const here = document.importNode(form, true);
  here.classList.add("here");
  here.setAttribute("data-dirty", "");
  here.dataset.number = String(++made);
  const control = here.querySelector("#field-value");
  control.id = `field-value-${made}`; // several may be open
  const list = here.querySelector("datalist");
  if (list) {
    list.id = `${control.id}-names`;
    control.setAttribute("list", list.id);
  }
  here.querySelector("input[name=back]").value = location.pathname + location.search;
  for (const one of place.children) one.hidden = true;
  place.append(here);
  const first = control.matches("input, select, textarea") ? control : control.querySelector("input");
  first?.focus();
  first?.select?.();
}

let made = 0;

function end(form) {
  const place = form.closest("[data-field]");
  if (!place) return;
  form.remove();
  for (const one of place.children) one.hidden = false;
  place.querySelector("a[data-edit]")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const cancel = event.target.closest("form.here [data-close]");
  if (cancel) {
    event.preventDefault();
    end(cancel.closest("form"));
  }
  // Who keeps the others' value has no use for his form any more.
  if (event.target.closest("dialog [data-keep]")) for (const form of document.querySelectorAll("form.here.sent")) end(form);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.("form.here");
  if (!form) return;
  if (event.key === "Escape") {
    event.stopPropagation();
    end(form);
  } else if (event.key === "Enter" && event.target.matches("textarea") && (event.ctrlKey || event.metaKey)) {
    form.requestSubmit();
  }
});

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!form.matches("form.here")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    form.classList.add("sent");
    const name = form.closest("[data-field]")?.dataset.field;
    if ((await submit(form, event.submitter)) && form.isConnected) end(form);
    else if (!form.isConnected && name) refocus(name);
  },
  true,
);

// What was sent again from a dialog ("use mine") makes the form behind it superfluous.
document.addEventListener("placed", () => {
  for (const form of document.querySelectorAll("form.here.sent")) {
    if (!document.querySelector("dialog[open]")) end(form);
  }
});

function refocus(name) {
  if (document.activeElement && document.activeElement !== document.body) return;
  document.querySelector(`[data-field="${CSS.escape(name)}"] a[data-edit]`)?.focus({ preventScroll: true });
}

// --- names while somebody types --------------------------------------------------------------------------------------

let typing = 0;

document.addEventListener("input", (event) => {
  const input = event.target;
  if (!input.matches?.("input[data-names]")) return;
  clearTimeout(typing);
  typing = setTimeout(() => suggest(input), 120);
});

async function suggest(input) {
  const words = input.value.trim();
  if (words.length < 2 || /\(\d+\)$/.test(words)) return;
  const response = await fetch(`${input.dataset.names}?q=${encodeURIComponent(words)}`).catch(() => null);
  if (!response?.ok || input.value.trim() !== words) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  input.list?.replaceChildren(...[...fresh.querySelectorAll("#found option")].map((one) => document.importNode(one, true)));
}
