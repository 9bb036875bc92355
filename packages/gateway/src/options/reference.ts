// Owns: the page of the gateway's options, written from their tables.
import { optionsReference } from "@holdfast/config";
import { SERVICE_KINDS } from "../discovery/service-kinds.ts";
import { COHORT_FIELDS } from "./cohorts.ts";
import { type FieldRow, fieldRows } from "./fields.ts";
import { GATEWAY_OPTIONS } from "./gateway-options.ts";
import { PROFILE_KINDS } from "./profile-kinds.ts";
import { CHECK_FIELDS, ROUTE_FIELDS } from "./route-fields.ts";
import { UPSTREAM_TLS_FIELDS } from "./upstream-tls.ts";

/** Options, fields of routes, services and profiles, as markdown behind `head`. */
export function gatewayOptionsReference(head: string): string {
  const options = optionsReference(GATEWAY_OPTIONS, head)
    .replace("\n## node\n", "\n## Options\n")
    .replaceAll(/\n## ([a-z])/g, "\n### $1");
  return [
    options.trimEnd(),
    "## Fields of a route",
    tableOf(fieldRows(ROUTE_FIELDS)),
    "### health.check",
    tableOf(fieldRows(CHECK_FIELDS)),
    "### cohorts",
    tableOf(fieldRows(COHORT_FIELDS)),
    "### upstreamTls",
    tableOf(fieldRows(UPSTREAM_TLS_FIELDS)),
    "## Services",
    "A route's `service` is a map with one of these keys.",
    ...Object.entries(SERVICE_KINDS).flatMap(([name, { description, fields = {} }]) =>
      part(name, description, fields),
    ),
    "## Profiles",
    "A route's `profile` is one of these names, or a map with `kind` and the profile's options.",
    [
      "| profile | what attaching a client to a new server takes | a deploy | holes |",
      "| --- | --- | --- | --- |",
      ...Object.entries(PROFILE_KINDS).map(
        ([name, { description, onDeploy, holes }]) =>
          `| \`${name}\` | ${cell(description)} | ${DEPLOY[onDeploy]} | ${cell(holes)} |`,
      ),
    ].join("\n"),
    ...Object.entries(PROFILE_KINDS).flatMap(([name, { fields }]) =>
      fieldRows(fields).length === 0 ? [] : [`### ${name}`, tableOf(fieldRows(fields))],
    ),
    "",
  ]
    .join("\n\n")
    .trimEnd()
    .concat("\n");
}

const DEPLOY = {
  kept: "clients stay, nothing is missing",
  holes: "clients stay, something may be missing",
  closed: "clients are closed with 1012",
} as const;

function part(name: string, description: string, fields: object): readonly string[] {
  const rows = fieldRows(fields);
  return [`### ${name}`, description, ...(rows.length === 0 ? [] : [tableOf(rows)])];
}

function tableOf(rows: readonly FieldRow[]): string {
  return [
    "| field | default | allowed | what it does |",
    "| --- | --- | --- | --- |",
    ...rows.map(
      ({ name, option, isNeeded }) =>
        `| \`${name}\` | ${isNeeded ? "must be given" : defaultText(option)} | ${cell(option.allowed)} | ${cell(option.description)} |`,
    ),
  ].join("\n");
}

function defaultText({ default: value, unit, kind }: FieldRow["option"]): string {
  if (value === undefined) return "none";
  if (kind === "map" && typeof value === "object" && value !== null && "kind" in value)
    return `\`${String(value.kind)}\``;
  if (typeof value === "object") return "empty";
  return `\`${String(value)}\`${unit === undefined ? "" : unit === "/s" ? " a second" : ` ${unit}`}`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|");
