"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("tr.row")];
  const groups = [...document.querySelectorAll("tbody.group")];
  const field = (name) => document.getElementById(name);
  const routes = ["derived", "solved", "observed"];
  const names = ["search", "verdict", "route", "relation"];
  const matches = (row, words, verdict, route, relation) =>
    words.every((word) => row.dataset.words.includes(word)) &&
    (!relation || row.dataset.relation === relation) &&
    (route ? [route] : routes).some((name) =>
      verdict ? row.dataset[name] === verdict : !route || row.dataset[name] !== "absent");
  const show = () => {
    const words = field("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = ["verdict", "route", "relation"].map((name) => field(name).value);
    let count = 0;
    for (const row of rows) {
      row.hidden = !matches(row, words, ...chosen);
      count += !row.hidden;
    }
    for (const group of groups) group.hidden = !group.querySelector("tr.row:not([hidden])");
    field("shown").textContent = `${count} of ${rows.length} claims shown`;
    const state = new URLSearchParams(names.map((name) => [name, field(name).value]).filter(([, value]) => value));
    history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
  };
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const name of names) if (asked.has(name)) field(name).value = asked.get(name);
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  show();
})();
