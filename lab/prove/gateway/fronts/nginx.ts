// Owns: nginx before the same servers, with the settings that people use for WebSockets.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf } from "../apps/programs.ts";
import type { FrontPlace } from "../front.ts";
import type { ProxyDialect } from "./proxy-process.ts";

const fileOf = ({ folder }: FrontPlace): string => join(folder, "nginx.conf");

export const nginx: ProxyDialect = {
  name: "nginx",
  reload: "SIGHUP",
  command: (place) => ({
    command: [programOf("NGINX", "nginx"), "-p", place.folder, "-c", fileOf(place)],
  }),
  write(place, endpoints) {
    const { folder, port, app } = place;
    mkdirSync(join(folder, "nginx"), { recursive: true });
    const servers = endpoints.map((address) => `    server ${address};`).join("\n");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `  ${name}_temp_path nginx/${name};`)
      .join("\n");
    const balance =
      app.keyQuery === undefined ? "least_conn" : `hash $arg_${app.keyQuery} consistent`;
    writeFileSync(
      fileOf(place),
      `daemon off;
pid nginx/pid;
error_log nginx/error.log;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 20000; }
http {
  access_log off;
${temporary}
  upstream app {
    ${balance};
${servers}
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`,
    );
  },
};
