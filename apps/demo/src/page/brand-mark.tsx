// Owns: the mark: a cleat hitch, a figure of eight around a bar.

export function BrandMark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M3 16h26" stroke="currentColor" strokeWidth="5" strokeLinecap="round" />
      <path
        d="M9 7.5c9 0 5 17 14 17 4.5 0 4.5-5.5 0-8.5M23 7.5c-9 0-5 17-14 17-4.5 0-4.5-5.5 0-8.5"
        fill="none"
        stroke="var(--paper)"
        strokeWidth="6"
      />
      <path
        d="M9 7.5c9 0 5 17 14 17 4.5 0 4.5-5.5 0-8.5M23 7.5c-9 0-5 17-14 17-4.5 0-4.5-5.5 0-8.5"
        fill="none"
        stroke="var(--buoy)"
        strokeWidth="3"
        strokeLinecap="round"
      />
    </svg>
  );
}
