// Owns: reading every member of a channel, page by page.
import type { PresenceMember, PresenceStore } from "../ports.ts";

/** All members by id; limits.membersMax bounds their number. Rejects with BrokerError. */
export async function allMembers(
  presence: Pick<PresenceStore, "members">,
  channel: string,
): Promise<Map<string, PresenceMember>> {
  const members = new Map<string, PresenceMember>();
  let cursor: string | undefined;
  do {
    const page = await presence.members(channel, cursor === undefined ? {} : { cursor });
    for (const member of page.members) members.set(member.member, member);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return members;
}
