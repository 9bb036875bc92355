// Owns: this window's public session id.
import { useConnectionState, useHoldfast } from "@holdfast/client/react";

/** Undefined before the first connection; another one when a session could not be resumed. It changes only with the connection's state, which is what re-renders. */
export function useSession(): string | undefined {
  useConnectionState();
  return useHoldfast().session;
}
