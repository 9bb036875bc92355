// Owns: the options of `holdfast operator`: one row for each.
import {
  choice,
  integer,
  list,
  type OptionTable,
  optionalText,
  text,
  type ValuesOf,
} from "@holdfast/config";

const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const isName = (found: string): boolean => NAME.test(found);
const NAMESPACES_MAX = 100;

const OPTIONS = {
  namespaces: list({
    default: [],
    allowed: "names of namespaces",
    countMax: NAMESPACES_MAX,
    check: (found): found is string => isName(found),
    description: "Namespaces whose RealtimeSets it looks after. Empty: all.",
  }),
  leaseName: text({
    default: "holdfast-operator",
    allowed: "a name of Kubernetes",
    check: isName,
    description: "The Lease by which one of several operators leads.",
  }),
  leaseNamespace: optionalText({
    allowed: "a namespace",
    check: isName,
    description: "Namespace of the Lease. If it is absent, it is the operator's own.",
  }),
  identity: optionalText({
    allowed: "1 to 200 characters",
    check: (found) => found.length <= 200,
    description: "Name of this operator in the Lease and in Events. If it is absent, POD_NAME.",
  }),
  internalHost: text({
    default: "0.0.0.0",
    allowed: "an address or host name",
    description: "Address of its listener. Keep its port inside the cluster.",
  }),
  internalPort: integer({
    default: 9000,
    min: 0,
    max: 65_535,
    description: "Port of its listener: `/livez`, `/readyz`, `/metrics`. 0 takes a free port.",
  }),
  scaler: {
    port: integer({
      default: 0,
      min: 0,
      max: 65_535,
      description:
        "Port of KEDA's external scaler, by gRPC. Only the operator that leads listens. 0: none does.",
    }),
    host: text({
      default: "0.0.0.0",
      allowed: "an address or host name",
      description: "Address of the external scaler. Let KEDA's operator alone reach its port.",
    }),
    certFile: optionalText({
      allowed: "a path",
      description:
        "PEM certificate chain of the external scaler. If it is absent, it does no TLS. A renewed file is read within a minute.",
    }),
    keyFile: optionalText({
      allowed: "a path",
      description: "PEM private key that belongs to scaler.certFile.",
    }),
  },
  log: {
    level: choice({
      of: ["debug", "info", "warn", "error"],
      default: "info",
      description: "It writes events of this level and of more severe ones.",
    }),
    format: choice({
      of: ["json", "pretty"],
      default: "json",
      description: "`json`: one JSON object for each line. `pretty`: text for people.",
    }),
  },
} as const;

/** The settings of an operator. */
export type OperatorConfig = ValuesOf<typeof OPTIONS>;

/** Every option of `holdfast operator`. */
export const OPERATOR_OPTIONS: OptionTable<OperatorConfig> = {
  options: OPTIONS,
  envPrefix: "HOLDFAST_OPERATOR_",
  page: "docs/reference/operator.md",
  broken: ({ scaler: { certFile, keyFile } }) =>
    (certFile === undefined) === (keyFile === undefined)
      ? []
      : [
          {
            option: "scaler.certFile",
            found: `only scaler.${certFile === undefined ? "keyFile" : "certFile"}`,
            allowed: "both scaler.certFile and scaler.keyFile, or neither",
          },
        ],
};
