// Owns: tokens for users. A node checks them with the same secret and never asks this back end.
import { SignJWT } from "jose";

/** A token for a user who is logged in here. The client fetches the next one by itself. */
export function tokenFor(user: string, secret: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(user)
    .setExpirationTime("10m")
    .sign(new TextEncoder().encode(secret));
}
