// Owns: a publication as frames have it, live and in pages of history alike.
import type { PubEntry, PubFrame, Publication } from "@holdfast/protocol";

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Members that the publication lacks stay absent. Assignments: spreading costs more. */
export function pubEntry(publication: Publication): PubEntry {
  return filled(
    { o: publication.offset, ts: publication.timeMs } as Writable<PubEntry>,
    publication,
  );
}

export function pubFrame(channel: string, publication: Publication): PubFrame {
  const { offset, timeMs } = publication;
  return filled(
    { t: "pub", ch: channel, o: offset, ts: timeMs } as Writable<PubFrame>,
    publication,
  );
}

function filled<T extends Writable<PubEntry>>(entry: T, publication: Publication): T {
  const { key, user, session, payload, meta } = publication;
  if (key !== undefined) entry.k = key;
  if (user !== undefined) entry.u = user;
  if (session !== undefined) entry.s = session;
  entry.data = payload;
  if (meta !== undefined) entry.meta = meta;
  return entry;
}
