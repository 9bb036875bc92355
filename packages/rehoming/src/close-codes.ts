// Owns: what a close code of one side means for the other (RFC 6455, section 7.4).

/** No frame carries it: the socket broke without a closing handshake. */
export const BROKEN = 1006;
/** A close frame without a code. */
const NONE = 1005;
export const NORMAL = 1000;
export const GOING_AWAY = 1001;
/** A policy was violated: the next server does not take this client. */
export const REFUSED = 1008;
export const SERVICE_RESTART = 1012;
export const TRY_AGAIN_LATER = 1013;

/**
 * Codes by which a server, or whoever stands before it, says that it goes and the client is welcome
 * elsewhere: going away, broken, restart, try again later, bad gateway, TLS failed. Any other code
 * is the application's word to its client, 1011 too: the next server would fail alike.
 */
const GONE: ReadonlySet<number> = new Set([GOING_AWAY, BROKEN, 1012, 1013, 1014, 1015]);

export const isGone = (code: number): boolean => GONE.has(code);

/**
 * The application's word also where a closing handshake was under way and any code may be an echo:
 * its own codes, and a policy that was violated.
 */
export const isFinal = (code: number): boolean =>
  code === REFUSED || (code >= 3000 && code <= 4999);

/** The code with which the other side is closed: some may be seen, but not sent. */
export function sendable(code: number): number {
  if (code === NONE) return NORMAL;
  if ((code >= 3000 && code <= 4999) || (code >= 1000 && code <= 1003)) return code;
  return code >= 1007 && code <= 1014 ? code : SERVICE_RESTART;
}
