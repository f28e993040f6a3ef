// In a .sortable box a click on a column's head sorts the rows: numbers by size, the largest first.
for (const table of document.querySelectorAll(".sortable table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim();
    const number = parseFloat(text);
    return { text, number: Number.isNaN(number) ? -Infinity : number };
  };
  heads.forEach((head, column) => {
    const sort = () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      const compare = (a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        if (x.number === y.number) return y.text.localeCompare(x.text);
        return y.number > x.number ? 1 : -1;
      };
      const rows = [...body.rows].sort((a, b) => (down ? compare(a, b) : compare(b, a)));
      body.append(...rows);
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}
