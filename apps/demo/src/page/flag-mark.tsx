// Owns: the drawing of a session's signal flag.
import { type FlagPattern, flagOf } from "./person.ts";

/** The flag of a session, 18 px. Decoration: the name stands beside it. */
export function FlagMark({ session }: { readonly session: string }) {
  const flag = flagOf(session);
  return (
    <svg className="flag" data-ink={flag.ink} viewBox="0 0 12 12" aria-hidden="true">
      <rect width="12" height="12" fill="var(--flag-a)" />
      <g fill="var(--flag-b)" stroke="none">
        {SHAPES[flag.pattern]}
      </g>
    </svg>
  );
}

const SHAPES: Readonly<Record<FlagPattern, React.ReactNode>> = {
  halves: <rect x="6" width="6" height="12" />,
  thirds: <rect x="4" width="4" height="12" />,
  bars: (
    <>
      <rect y="2.4" width="12" height="2.4" />
      <rect y="7.2" width="12" height="2.4" />
    </>
  ),
  diagonal: <path d="M0 12 12 0v12z" />,
  cross: <path d="M4.5 0h3v4.5H12v3H7.5V12h-3V7.5H0v-3h4.5z" />,
  saltire: (
    <path d="M0 0h2.6L6 3.4 9.4 0H12v2.6L8.6 6 12 9.4V12H9.4L6 8.6 2.6 12H0V9.4L3.4 6 0 2.6z" />
  ),
  quarters: <path d="M0 0h6v12h6V6H0z" />,
  square: <rect x="3.5" y="3.5" width="5" height="5" />,
  disc: <circle cx="6" cy="6" r="3.2" />,
  pale: <path d="M0 0h12L6 6z M0 12h12L6 6z" />,
};
