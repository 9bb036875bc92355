// Owns: a publication as frames have it, live and in pages of history alike.
import type { PubEntry, Publication } from "@holdfast/protocol";

export function pubEntry(p: Publication): PubEntry {
  return {
    o: p.offset,
    ts: p.timeMs,
    ...(p.key === undefined ? undefined : { k: p.key }),
    ...(p.user === undefined ? undefined : { u: p.user }),
    ...(p.session === undefined ? undefined : { s: p.session }),
    data: p.payload,
    ...(p.meta === undefined ? undefined : { meta: p.meta }),
  };
}
