// Light or dark: as the system has it, until the key D says otherwise.
document.documentElement.dataset.theme =
  localStorage.getItem("slides-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
