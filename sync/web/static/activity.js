// The dialog that asks for which account something is planned: accounts are found while the name is typed.

let typing = 0;

async function find(form) {
  const response = await fetch(`${form.action}?${new URLSearchParams(new FormData(form))}`, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-found]");
  const shown = form.parentElement?.querySelector("[data-found]");
  if (fresh && shown) shown.replaceChildren(...[...fresh.children].map((one) => document.importNode(one, true)));
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-account-search]");
  if (!form) return;
  clearTimeout(typing);
  typing = setTimeout(() => find(form), 120);
});

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!form.matches("form[data-account-search]")) return;
    event.preventDefault();
    clearTimeout(typing);
    await find(form);
    form.parentElement.querySelector("[data-found] a")?.focus();
  },
  true,
);
