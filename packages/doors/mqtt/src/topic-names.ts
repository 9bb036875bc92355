// Owns: what is a topic name and a topic filter, and which names a filter matches (MQTT 5, section
// 4.7).

/** UTF-16 units of a name or filter. */
const LENGTH_MAX = 1024;
/** Levels of a name or filter. Matching costs as much as there are. */
const LEVELS_MAX = 64;

/** What is wrong with a topic name; undefined: nothing. */
export function nameProblem(name: string): string | undefined {
  if (name.length === 0) return "an empty topic name";
  if (/[+#]/.test(name)) return "a topic name with a wildcard";
  return levelsProblem(name);
}

/** What is wrong with a topic filter, shared or not; undefined: nothing. */
export function filterProblem(filter: string): string | undefined {
  if (filter.length === 0) return "an empty topic filter";
  const shared = readShared(filter);
  if (shared === "malformed") return "a shared subscription without a name or filter";
  const plain = shared?.filter ?? filter;
  const levels = plain.split("/");
  for (const [at, level] of levels.entries()) {
    if (level === "+" || (level === "#" && at === levels.length - 1)) continue;
    if (/[+#]/.test(level)) return "a wildcard that is not a level of its own, or # before the end";
  }
  return levelsProblem(plain);
}

function levelsProblem(text: string): string | undefined {
  if (text.length > LENGTH_MAX) return `${text.length} characters, expected at most ${LENGTH_MAX}`;
  let levels = 1;
  for (let at = text.indexOf("/"); at >= 0; at = text.indexOf("/", at + 1)) levels += 1;
  return levels > LEVELS_MAX ? `${levels} levels, expected at most ${LEVELS_MAX}` : undefined;
}

/** The parts of `$share/{group}/{filter}`; undefined: it is no shared subscription. */
export function readShared(
  filter: string,
): { readonly group: string; readonly filter: string } | "malformed" | undefined {
  if (!filter.startsWith("$share/")) return undefined;
  const end = filter.indexOf("/", 7);
  const group = filter.slice(7, end === -1 ? undefined : end);
  if (end === -1 || group === "" || /[+#]/.test(group) || end === filter.length - 1)
    return "malformed";
  return { group, filter: filter.slice(end + 1) };
}

export const hasWildcard = (filter: string): boolean => /(^|\/)([+]|#$)/.test(filter);

/** Whether a well-formed filter that is not shared matches a topic name. */
export function matchesTopic(filter: string, name: string): boolean {
  if (filter === name) return true;
  // Names that begin with $ are the server's own: no wildcard at the beginning reaches them.
  const first = filter.charCodeAt(0);
  if (name.startsWith("$") && (first === PLUS || first === HASH)) return false;
  let f = 0;
  let n = 0;
  for (;;) {
    const unit = filter.charCodeAt(f);
    if (unit === HASH) return true;
    if (unit === PLUS) {
      while (n < name.length && name.charCodeAt(n) !== SLASH) n++;
      f++;
    } else
      while (f < filter.length && filter.charCodeAt(f) !== SLASH) {
        if (n >= name.length || name.charCodeAt(n) !== filter.charCodeAt(f)) return false;
        n++;
        f++;
      }
    const isFilterOver = f >= filter.length;
    if (n >= name.length) return isFilterOver || filter.slice(f) === "/#";
    if (isFilterOver || name.charCodeAt(n) !== SLASH) return false;
    f++;
    n++;
  }
}

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
