// Re-exports of the authenticator and its options.
export {
  type AuthenticatorOptions,
  createAuthenticator,
  type JwtOptions,
  type TicketAuthenticator,
} from "./authenticator.ts";
export { CLAIM_LIMITS, parseCapabilities } from "./claims.ts";
export { AuthConfigError } from "./config-error.ts";
export type { JwksOptions } from "./jwks.ts";
export { JWT_ALGORITHMS, type JwtAlgorithm } from "./keys.ts";
export { RESUME_SECRET_BYTES_MIN, type ResumeTokenOptions } from "./resume-token.ts";
export type { Tickets } from "./ticket.ts";
