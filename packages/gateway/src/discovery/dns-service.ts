// Owns: services that DNS knows: which names are asked for, how often, and what an answer means.
import { choice, duration, integer, list, optionalText } from "@holdfast/config";
import { needed, readFields } from "../options/fields.ts";
import { isHostPort } from "../options/forms.ts";
import { DnsDiscovery } from "./dns-discovery.ts";
import { dnsQuestions } from "./dns-questions.ts";
import type { ServiceKind } from "./service.ts";

const DNS_FIELDS = {
  name: needed(
    optionalText({
      allowed: "a full name, such as game.default.svc.cluster.local",
      check: (name) => /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?$/.test(name),
      description:
        "The name that is asked for, in full: search domains are not tried. SRV: `_port._tcp.name`.",
    }),
  ),
  kind: choice({
    of: ["a", "aaaa", "srv"],
    default: "a",
    description:
      "`a`, `aaaa`: each address is an endpoint, at `port`. `srv`: each target is one, with its own port and weight. Only targets of the best priority are used.",
  }),
  port: integer({
    default: 0,
    min: 0,
    max: 65_535,
    description: "Port of the endpoints. `a` and `aaaa` need it, `srv` has its own.",
  }),
  refreshMs: duration({
    default: 5000,
    min: 500,
    max: 3_600_000,
    description:
      "How often the name is asked for. TTLs are not followed: a rolling update is seen within this time.",
  }),
  timeoutMs: duration({
    default: 2000,
    min: 100,
    max: 60_000,
    description: "How long an answer may take. Then the last known endpoints stay.",
  }),
  servers: list({
    default: [],
    allowed: "host:port of name servers, as IP addresses",
    countMax: 5,
    check: (text): text is string => isHostPort(text) && /^[\d.[\]:a-fA-F]+$/.test(text),
    description: "Name servers to ask. Empty: those of the machine.",
  }),
} as const;

/** `{dns: {name: game.example.com, port: 8080}}`. */
export const DNS: ServiceKind = {
  description:
    "A name that DNS answers. If DNS is away, or says that the name has no records, the last known endpoints stay.",
  fields: DNS_FIELDS,
  read(found) {
    const reading = readFields(DNS_FIELDS, found);
    if (!reading.ok) return reading;
    const { value: options } = reading;
    if (options.kind !== "srv" && options.port === 0)
      return {
        ok: false,
        refused: [{ at: ".port", found: "nothing", allowed: "1 to 65535, a whole number" }],
      };
    return {
      ok: true,
      value: { kind: "dns", options, open: () => new DnsDiscovery(options, dnsQuestions(options)) },
    };
  },
};
