// What the printer asks of the document, before it is printed and between two passes.

// What is wider than its place is made as small as it must be.
window.fit = () => {
  const room = document.querySelector(".chapter").getBoundingClientRect();
  for (const wide of document.querySelectorAll("table, .math math, .cell_output > div")) {
    const limit = Math.min(wide.parentElement.getBoundingClientRect().right, room.right);
    const width = Math.max(wide.scrollWidth, wide.getBoundingClientRect().width);
    const left = wide.getBoundingClientRect().left;
    if (left + width > limit + 1) wide.style.zoom = Math.floor((limit - left) / width * 100) / 100;
  }
};

// What is still too wide would be cut, and is told.
window.tooWide = () => {
  const room = document.querySelector(".chapter").getBoundingClientRect();
  return [...document.querySelectorAll(".chapter *")].filter(each => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && box.right > room.right + 2 && !each.closest("svg, math");
  }).map(each => `${each.closest(".chapter").className}: ${each.tagName} ${each.textContent.trim().slice(0, 60)}`);
};

// Write the numbers of pages where they are named; the places that no page has.
window.number = (known) => {
  const folios = [...document.querySelectorAll(".folio")];
  for (const folio of folios) folio.textContent = known[folio.dataset.to];
  return folios.map(folio => folio.dataset.to).filter(name => !(name in known));
};
