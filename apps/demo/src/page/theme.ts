// Owns: light or dark: what the reader chose, else what the system prefers. Runs before the first
// paint, as a script of its own.

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
