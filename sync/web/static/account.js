// What somebody has unfolded stays so when the page brings news.
const unfolded = new Map();

document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches?.("details[id]")) unfolded.set(event.target.id, event.target.open);
  },
  true,
);

document.addEventListener("placed", () => {
  for (const [id, open] of unfolded) {
    const one = document.getElementById(id);
    if (one) one.open = open;
  }
});
