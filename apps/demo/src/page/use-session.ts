// Owns: this window's public session id.
import { useConnectionState, useHoldfast } from "@holdfast/client/react";
import { useRef } from "react";

/**
 * Undefined before the first connection. The last known one while there is no connection; another
 * one when a session could not be resumed. It changes only with the connection's state, which is
 * what re-renders.
 */
export function useSession(): string | undefined {
  useConnectionState();
  const known = useRef<string | undefined>(undefined);
  known.current = useHoldfast().session ?? known.current;
  return known.current;
}
