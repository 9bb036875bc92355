// Owns: HAProxy before the same servers, with the settings that people use for WebSockets.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf } from "../apps/programs.ts";
import type { FrontPlace } from "../front.ts";
import type { ProxyDialect } from "./proxy-process.ts";

const fileOf = ({ folder }: FrontPlace): string => join(folder, "haproxy.cfg");

export const haproxy: ProxyDialect = {
  name: "haproxy",
  // The master starts a new worker; the old one keeps its sockets until they close.
  reload: "SIGUSR2",
  command: (place) => ({
    command: [programOf("HAPROXY", "haproxy"), "-W", "-db", "-f", fileOf(place)],
    env: { LD_LIBRARY_PATH: process.env.HAPROXY_LIBRARIES ?? "" },
  }),
  write(place, endpoints) {
    const { port, app } = place;
    const servers = endpoints
      .map(
        (address) =>
          `  server ${address.replace(":", "-")} ${address} check inter 1s fall 2 rise 1`,
      )
      .join("\n");
    const balance =
      app.keyQuery === undefined
        ? "balance leastconn"
        : `balance url_param ${app.keyQuery}\n  hash-type consistent`;
    writeFileSync(
      fileOf(place),
      `global
  maxconn 9900
  nbthread 1
defaults
  mode http
  option redispatch
  retries 3
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend clients
  bind 127.0.0.1:${port}
  default_backend app
backend app
  ${balance}
${servers}
`,
    );
  },
};
