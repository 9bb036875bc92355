// Owns: wall time as Kubernetes writes it, without a clock and without the locale's calendar.

const DAY_MS = 86_400_000;

/** `2026-11-30T00:00:00Z`. Parts of a second are dropped, as metav1.Time does. */
export function rfc3339(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  const second = Math.floor((ms - days * DAY_MS) / 1000);
  const { year, month, day } = civil(days);
  const clock = [Math.floor(second / 3600), Math.floor(second / 60) % 60, second % 60];
  return `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}T${clock.map((part) => padded(part, 2)).join(":")}Z`;
}

const padded = (value: number, width: number): string => String(value).padStart(width, "0");

/** Days since 1970 in the Gregorian calendar: eras of 400 years that begin in March. */
function civil(days: number) {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const leaps = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100);
  const dayOfYear = dayOfEra - (365 * yearOfEra + leaps);
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const month = march < 10 ? march + 3 : march - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * march + 2) / 5) + 1,
  };
}
