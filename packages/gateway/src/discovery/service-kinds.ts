// Owns: the table of the ways in which a route's service is found: one row for each.
import type { Reading } from "@holdfast/config";
import { readKeyedKind } from "../options/kinds.ts";
import { DNS } from "./dns-service.ts";
import { KUBERNETES } from "./kubernetes-service.ts";
import type { ServiceKind, ServiceOptions } from "./service.ts";
import { STATIC } from "./static-service.ts";

/** By the key under which the options stand in a route's `service`. */
export const SERVICE_KINDS: Readonly<Record<string, ServiceKind>> = {
  static: STATIC,
  dns: DNS,
  kubernetes: KUBERNETES,
};

export const readService = (found: unknown): Reading<ServiceOptions> =>
  readKeyedKind(SERVICE_KINDS, found);
