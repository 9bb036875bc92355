// Owns: the profile of protocols that nobody declared.

import type { Profile } from "../profile.ts";
import { passing } from "./passing.ts";

/** Frames pass. A client whose upstream goes is closed, because nobody knows what it would miss. */
export const none: Profile = { name: "none", rehomes: false, quietMs: 0, create: passing };
