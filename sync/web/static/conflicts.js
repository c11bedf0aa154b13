// Selecting conflicts: all that are shown at once, and how many are. What is selected is not replaced by news.

const boxes = () => [...document.querySelectorAll('input[name="conflict"]')];

function count() {
  const selected = boxes().filter((one) => one.checked).length;
  const words = document.querySelector("[data-selected]");
  if (words) words.textContent = selected ? words.dataset.words.replace("{count}", String(selected)) : "";
  const all = document.querySelector("[data-select-all]");
  if (all) {
    all.checked = selected > 0 && selected === boxes().length;
    all.indeterminate = selected > 0 && selected < boxes().length;
  }
  document.querySelector("#conflicts ul")?.toggleAttribute("data-dirty", selected > 0);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-select-all]")) {
    boxes().forEach((one) => (one.checked = event.target.checked));
  }
  if (event.target.matches('[data-select-all], input[name="conflict"]')) {
    const scope = document.querySelector("[data-scope]");
    if (scope) scope.value = "";
    count();
  }
});
document.addEventListener("placed", count);
count();
