// Owns: the profile of Yjs documents over y-websocket and Hocuspocus.
import type { Profile } from "../profile.ts";
import { Hocuspocus } from "./hocuspocus.ts";
import { YWebsocket } from "./y-websocket.ts";
import { LiveClients } from "./yjs-awareness.ts";

export interface YjsRules {
  /**
   * What the messages look like. `y-websocket`: one document for each socket, which the URL names.
   * `hocuspocus`: a document's name in each message, several documents for each socket.
   */
  readonly dialect: "y-websocket" | "hocuspocus";
  /**
   * Hocuspocus acknowledges updates. What is not acknowledged is kept up to this many bytes, and
   * sent to the next server. The rest comes when that server asks the client. Default 65,536.
   */
  readonly unacknowledgedBytesMax?: number;
}

/**
 * The next server is asked for what the client lacks, and asks the client in turn, as if the client
 * had connected anew. Updates are idempotent, so documents have no holes. Holes: whoever leaves
 * while a client is between two servers is seen for up to 30 s; Hocuspocus' stateless messages that
 * a server had taken and not answered.
 */
export function yjsProfile({ dialect, unacknowledgedBytesMax = 64 * 1024 }: YjsRules): Profile {
  const live = new LiveClients();
  return {
    ...{ name: "yjs", rehomes: true, quietMs: 0 },
    create: (out) =>
      dialect === "y-websocket"
        ? new YWebsocket(live, out)
        : new Hocuspocus({ live, unacknowledgedBytesMax }, out),
    ...(dialect === "y-websocket" && {
      restore(out, saved) {
        const session = new YWebsocket(live, out);
        return session.restore(saved) ? session : undefined;
      },
    }),
  };
}
