// Starts reveal.js, and makes what is still too tall for a slide as small as it must be.
const HEIGHT = 720;

/** Shrink a slide's content until it ends above the slide's lower edge. */
function fit(slide) {
  const content = slide?.querySelector(".content");
  if (!content) return;
  content.style.zoom = 1;
  const room = HEIGHT - 28 - content.offsetTop;
  for (let zoom = 1; content.scrollHeight * zoom > room || content.scrollWidth > content.clientWidth + 1; ) {
    zoom -= 0.04;
    if (zoom < 0.4) break;
    content.style.zoom = zoom;
  }
}

Reveal.initialize({
  width: 1280,
  height: HEIGHT,
  margin: 0,
  center: false,
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  plugins: [RevealNotes],
  keyboard: {
    68() {
      const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      localStorage.setItem("slides-theme", next);
    },
  },
}).then(() => {
  const watched = new ResizeObserver((entries) => entries.forEach((entry) => fit(entry.target.closest("section"))));
  const show = (slide) => {
    fit(slide);
    watched.disconnect();
    // An explorer that starts, or opens a part, changes the height.
    const explorer = slide?.querySelector(".explorer-slide");
    if (explorer) watched.observe(explorer);
  };
  show(Reveal.getCurrentSlide());
  Reveal.on("slidechanged", (event) => show(event.currentSlide));
  document.fonts.ready.then(() => fit(Reveal.getCurrentSlide()));
});
