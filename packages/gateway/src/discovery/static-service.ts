// Owns: services whose endpoints stand in the file.
import {
  entriesOf,
  integer,
  optionalText,
  parseList,
  type Refused,
  refuse,
} from "@holdfast/config";
import type { Endpoint } from "@holdfast/rehoming";
import { below, needed, readFields } from "../options/fields.ts";
import { isHostPort, isRevision } from "../options/forms.ts";
import { type Discovery, ENDPOINTS_MAX } from "./discovery.ts";
import type { ServiceKind } from "./service.ts";

const ADDRESS_ALLOWED = "host:port, such as 10.0.0.1:8080";

const ENDPOINT_FIELDS = {
  address: needed(
    optionalText({
      allowed: ADDRESS_ALLOWED,
      check: isHostPort,
      description: "Host and port of the endpoint.",
    }),
  ),
  weight: integer({
    default: 1,
    min: 1,
    max: 100,
    description: "Its share of the clients, compared with the others'.",
  }),
  zone: optionalText({ allowed: "a name", description: "Where it is, for option `zone`." }),
  revision: optionalText({
    allowed: "1 to 63 of letters, digits, dashes, dots and underscores",
    check: isRevision,
    description: "Of its application, for `cohorts` and the header Holdfast-Revision.",
  }),
} as const;

const ALLOWED = `a list of addresses (${ADDRESS_ALLOWED}), or of maps with address, weight, zone, revision`;

/** `{static: ["10.0.0.1:8080", {address: "10.0.0.2:8080", weight: 2}]}`. */
export const STATIC: ServiceKind = {
  description:
    "A list of addresses, or of maps with `address`, `weight` (1 to 100), `zone` and `revision`. It changes when the file does.",
  read(found) {
    const items = parseList(found);
    if (items === undefined || items.length === 0 || items.length > ENDPOINTS_MAX)
      return refuse(
        items === undefined ? found : `${items.length} items`,
        `${ALLOWED}; 1 to ${ENDPOINTS_MAX}`,
      );
    const refused: Refused[] = [];
    const endpoints: Endpoint[] = [];
    for (const [index, item] of items.entries()) {
      const reading = readFields(
        ENDPOINT_FIELDS,
        entriesOf(item) === undefined ? { address: item } : item,
      );
      if (!reading.ok) {
        refused.push(...below(`[${index}]`, reading.refused));
        continue;
      }
      const { address, weight, zone, revision } = reading.value;
      if (endpoints.some((other) => other.address === address))
        refused.push({ at: `[${index}]`, found: address, allowed: "each address once" });
      endpoints.push({
        ...{ address, takes: true, weight },
        ...(zone === undefined ? {} : { zone }),
        ...(revision === undefined ? {} : { revision }),
      });
    }
    if (refused.length > 0) return { ok: false, refused };
    return {
      ok: true,
      value: { kind: "static", options: endpoints, open: () => staticDiscovery(endpoints) },
    };
  },
};

export function staticDiscovery(endpoints: readonly Endpoint[]): Discovery {
  return { trouble: undefined, start: (found) => found(endpoints), stop: () => {} };
}
