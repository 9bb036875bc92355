// Owns: the field of a route that says how TLS to its endpoints is done.
import {
  type Option,
  optionalText,
  parseBoolean,
  type Reading,
  structured,
  type ValuesOf,
} from "@holdfast/config";
import { readFields } from "./fields.ts";
import { isHostName } from "./forms.ts";

/** Fields of TLS to endpoints, for the reference. */
export const UPSTREAM_TLS_FIELDS = {
  caFile: optionalText({
    allowed: "a path",
    description:
      "PEM certificates of the authorities that are believed. If it is absent, those of the system.",
  }),
  serverName: optionalText({
    allowed: "a host name in lower case, without a port",
    check: isHostName,
    description:
      "The name that is asked for (SNI), and that certificates must have. If it is absent, the host of the address: Kubernetes knows pods by IP addresses, so it is needed there.",
  }),
  certFile: optionalText({
    allowed: "a path",
    description: "PEM certificate chain by which endpoints know the gateway (mTLS).",
  }),
  keyFile: optionalText({
    allowed: "a path",
    description: "PEM private key that belongs to certFile.",
  }),
} as const;

export type UpstreamTlsOptions = ValuesOf<typeof UPSTREAM_TLS_FIELDS>;

const ALLOWED = `true, false, or a map of ${Object.keys(UPSTREAM_TLS_FIELDS).join(", ")}`;

/** Undefined: no TLS. */
export const upstreamTls: Option<UpstreamTlsOptions | undefined> = structured({
  kind: "map",
  default: undefined,
  allowed: ALLOWED,
  read: readUpstreamTls,
  description:
    "Speaks TLS to the endpoints. `true`: as the system believes certificates, for the host of the address. A map says more, and is below. The files are read again as they change.",
});

function readUpstreamTls(found: unknown): Reading<UpstreamTlsOptions | undefined> {
  const isOn = parseBoolean(found);
  if (isOn === false) return { ok: true, value: undefined };
  const reading = readFields(UPSTREAM_TLS_FIELDS, isOn === true ? {} : found);
  if (!reading.ok) return reading;
  const { certFile, keyFile } = reading.value;
  if ((certFile === undefined) === (keyFile === undefined)) return reading;
  const [has, lacks] = certFile === undefined ? ["keyFile", "certFile"] : ["certFile", "keyFile"];
  return {
    ok: false,
    refused: [
      { at: `.${lacks}`, found: `only ${has}`, allowed: "both certFile and keyFile, or neither" },
    ],
  };
}
