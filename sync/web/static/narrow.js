// The bar that narrows a page down: what is chosen or typed holds at once, and the bar shows what the address says.

const bar = () => document.querySelector("form[data-narrow]");
let typing = 0;

document.addEventListener("change", (event) => {
  if (event.target.closest("form[data-narrow]") && event.target.type !== "search") bar().requestSubmit();
});

document.addEventListener("input", (event) => {
  if (event.target.type !== "search" || !event.target.closest("form[data-narrow]")) return;
  clearTimeout(typing);
  typing = setTimeout(() => bar()?.requestSubmit(), 150);
});

document.addEventListener("placed", () => {
  const query = new URLSearchParams(location.search);
  for (const one of bar()?.elements ?? []) {
    if (one.type === "checkbox") one.checked = query.getAll(one.name).includes(one.value);
    else if (one.name === "status" || (one.name === "q" && one !== document.activeElement)) one.value = query.get(one.name) ?? "";
  }
});
