// Sorts, filters and searches the table. The page works without it: cells open without a script.
"use strict";
const table = document.getElementById("cells");
const body = table.tBodies[0];
const rows = [...body.rows];
const controls = document.getElementById("controls");
const search = document.getElementById("search");
const source = document.getElementById("source");

function show() {
  const wanted = search.value.trim().toLowerCase();
  const outcomes = [...controls.querySelectorAll("input[name=outcome]:checked")].map((box) => box.value);
  let shown = 0;
  for (const row of rows) {
    const has = row.dataset.outcomes.split(" ");
    const text = `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase();
    row.hidden = !(
      text.includes(wanted) &&
      (!source.value || row.dataset.source === source.value) &&
      (!outcomes.length || outcomes.some((one) => has.includes(one)))
    );
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} rows`;
}

function sort(column, button) {
  const heading = button.parentElement;
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const value = (row) =>
    heading.dataset.sort === "number" ? parseFloat(row.cells[column].dataset.value) : row.cells[column].textContent;
  const before = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  const empty = (one) => typeof one === "number" && Number.isNaN(one);
  rows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (empty(x) || empty(y)) return empty(x) - empty(y); // rows without a figure are last in both directions
    return descending ? before(y, x) : before(x, y);
  });
  body.append(...rows);
}

[...table.tHead.rows[0].cells].forEach((heading, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = heading.textContent;
  button.addEventListener("click", () => sort(column, button));
  heading.replaceChildren(button);
});
controls.hidden = false;
controls.addEventListener("input", show);
controls.addEventListener("submit", (event) => event.preventDefault());
show();
