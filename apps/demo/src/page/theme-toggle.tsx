// Owns: the button that changes between light and dark.
import { useTheme } from "./use-theme.ts";

const KEY = "holdfast.theme";

export function ThemeToggle() {
  const isDark = useTheme() === "dark";
  const toggle = () => {
    const next = isDark ? "light" : "dark";
    localStorage.setItem(KEY, next);
    document.documentElement.dataset.theme = next;
  };
  return (
    <button type="button" className="quiet" aria-pressed={isDark} onClick={toggle}>
      <svg viewBox="0 0 16 16" aria-hidden="true" className="glyph">
        <circle cx="8" cy="8" r="6.25" fill="none" stroke="currentColor" strokeWidth="1.5" />
        <path d="M8 1.75a6.25 6.25 0 0 1 0 12.5z" fill="currentColor" />
      </svg>
      Dark
    </button>
  );
}
