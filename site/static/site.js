// What Sphinx and furo leave out for those who use a page by the keyboard or hear it.
for (const box of document.querySelectorAll("pre, .cell_output, .output, .table-wrapper")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = "2";
for (const cell of document.querySelectorAll("th")) {
  if (!cell.textContent.trim()) cell.replaceWith(document.createElement("td"));
}
document.querySelector(".toc-drawer").ariaLabel = document.querySelector(".toc-title")?.textContent.trim() ?? "";
