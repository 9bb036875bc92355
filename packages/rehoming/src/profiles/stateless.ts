// Owns: the profile of applications that know a client by its request alone.
import type { Profile } from "../profile.ts";
import { passing } from "./passing.ts";

/**
 * Any pod serves any client: what it must know is in the URL, the headers and the cookies, which
 * the next upstream gets again. Holes: what the former one had taken and not answered when it was
 * asked to go, or when it died. A move waits for a pause of 50 ms between frames, so that in
 * practice nothing is under way. Events that both send while they overlap arrive twice.
 */
export const stateless: Profile = {
  ...{ name: "stateless", rehomes: true, quietMs: 50 },
  create: passing,
  restore: passing,
};
