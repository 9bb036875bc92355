// Owns: light or dark: the reader's choice, or else the system's preference. Runs before the first
// paint, as a separate script.

const KEY = "holdfast.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function apply(): void {
  const chosen = localStorage.getItem(KEY);
  document.documentElement.dataset.theme =
    chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
}

apply();
dark.addEventListener("change", apply);
addEventListener("storage", apply);
