// What scrolls sideways must be reached by the keyboard. The theme sees to that for code and tables that are laid out when
// the page opens; here it is done for what is not, and for formulas.
{
  const reach = (element) => {
    element.tabIndex = element.scrollWidth > element.clientWidth ? 0 : -1;
  };

  // Code far from the window is not laid out (custom.css): it is asked when it comes near.
  document.addEventListener(
    "contentvisibilityautostatechange",
    ({ target, skipped }) => skipped || reach(target),
    true,
  );

  // A formula is asked when its room, or the formula itself by its font, gets another width.
  const formulas = new ResizeObserver((entries) => {
    for (const { target } of entries) reach(target.closest(".math-scroll"));
  });
  document.addEventListener("DOMContentLoaded", () => {
    for (const room of document.querySelectorAll(".math-scroll")) {
      formulas.observe(room);
      formulas.observe(room.firstElementChild);
    }
  });
}
