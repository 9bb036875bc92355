// Owns: starting a Centrifugo (version 6) for a measurement: its program, its configuration in the
// environment.
import type { ServerCommand } from "./server-command.ts";

export interface CentrifugoPlace {
  readonly path: string;
  readonly port: number;
}

/**
 * As `centrifugo defaultenv` names its options. What is not named has its default: heartbeats and
 * limits as shipped.
 */
export function centrifugoCommand({ path, port }: CentrifugoPlace): ServerCommand {
  return {
    command: [path],
    env: {
      CENTRIFUGO_HTTP_SERVER_ADDRESS: "127.0.0.1",
      CENTRIFUGO_HTTP_SERVER_PORT: String(port),
      CENTRIFUGO_HEALTH_ENABLED: "true",
      // Clients without a token have no user; the channels' options say what such clients may do.
      CENTRIFUGO_CLIENT_ALLOW_ANONYMOUS_CONNECT_WITHOUT_TOKEN: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_CLIENT: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_ANONYMOUS: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_PUBLISH_FOR_CLIENT: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_PUBLISH_FOR_ANONYMOUS: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE: "1000",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_HISTORY_TTL: "10m",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY: "true",
      CENTRIFUGO_LOG_LEVEL: "error",
    },
  };
}

export const centrifugoUrl = (port: number): string =>
  `ws://127.0.0.1:${port}/connection/websocket`;

/**
 * The version that Go's linker wrote into a program that was built from the module; a release says
 * its own otherwise.
 */
export async function centrifugoVersion(path: string): Promise<string> {
  const program = Buffer.from(await Bun.file(path).arrayBuffer());
  const at = program.indexOf(MODULE);
  if (at === -1) return "of unknown version";
  const from = at + MODULE.length;
  return program.toString("latin1", from, program.indexOf("\n", from)).split("\t")[0] ?? "";
}

const MODULE = "\nmod\tgithub.com/centrifugal/centrifugo/v6\t";
