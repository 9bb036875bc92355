// Owns: the field of a route that divides its clients among revisions of the application.
import {
  entriesOf,
  type Option,
  parseNumber,
  type Reading,
  type Refused,
  refuse,
  structured,
} from "@holdfast/config";
import { below, readFields } from "./fields.ts";
import { isRevision } from "./forms.ts";
import { KEY_ALLOWED, type KeyOptions, readKey } from "./key.ts";

const REVISIONS_MAX = 20;
const PERCENT_MAX = 100;
const WEIGHTS_ALLOWED = `a map of revisions and the percent of clients that each gets, together at most ${PERCENT_MAX}`;
const noKey: KeyOptions | undefined = undefined;
const noWeights: Readonly<Record<string, number>> | undefined = undefined;

/** Fields of cohorts, for the reference. */
export const COHORT_FIELDS = {
  weights: {
    ...structured<Readonly<Record<string, number>> | undefined>({
      kind: "map",
      default: noWeights,
      allowed: WEIGHTS_ALLOWED,
      read: readWeights,
      description:
        "`{v2: 5}`: 5 % of the clients get endpoints of revision `v2`. The others get those of revisions that are not in the map, and of none.",
    }),
    isNeeded: true as const,
  },
  key: structured<KeyOptions | undefined>({
    kind: "map",
    default: noKey,
    allowed: KEY_ALLOWED,
    read: readKey,
    description:
      "As `key` of the route: clients with the same value are in the same cohort, also when they come again. If it is absent, chance decides for each client, and holds while it is held.",
  }),
} as const;

export interface CohortOptions {
  /** By name of the revision, so that the cohorts do not depend on the order of the file. */
  readonly weights: Readonly<Record<string, number>>;
  readonly key: KeyOptions | undefined;
}

const ALLOWED = `a map of ${Object.keys(COHORT_FIELDS).join(", ")}`;

/** Undefined: any revision will do for any client. */
export const cohorts: Option<CohortOptions | undefined> = structured({
  kind: "map",
  default: undefined,
  allowed: ALLOWED,
  read(found): Reading<CohortOptions | undefined> {
    const reading = readFields(COHORT_FIELDS, found);
    if (!reading.ok) return reading;
    const { weights = {}, key } = reading.value;
    return { ok: true, value: { weights, key } };
  },
  description:
    "Divides clients among revisions, such as for a canary. Fields are below. Endpoints have revisions by `revision` (static) or `revisionLabel` (kubernetes). Without an endpoint of its cohort a client gets any other.",
});

function readWeights(found: unknown): Reading<Readonly<Record<string, number>>> {
  const entries = entriesOf(found);
  if (entries === undefined || entries.size === 0 || entries.size > REVISIONS_MAX)
    return refuse(entries === undefined ? found : `${entries.size} revisions`, WEIGHTS_ALLOWED);
  const refused: Refused[] = [];
  const weights: [string, number][] = [];
  for (const [revision, value] of entries) {
    const percent = parseNumber(value);
    if (!isRevision(revision))
      refused.push({ at: `.${revision}`, found: revision, allowed: "the name of a revision" });
    else if (percent === undefined || percent < 0 || percent > PERCENT_MAX)
      refused.push(...below(`.${revision}`, [{ found: value, allowed: `0 to ${PERCENT_MAX}` }]));
    else weights.push([revision, percent]);
  }
  if (refused.length > 0) return { ok: false, refused };
  const sum = weights.reduce((all, [, percent]) => all + percent, 0);
  if (sum > PERCENT_MAX) return refuse(`${sum} together`, WEIGHTS_ALLOWED);
  return { ok: true, value: Object.fromEntries(weights.sort(([a], [b]) => (a < b ? -1 : 1))) };
}
