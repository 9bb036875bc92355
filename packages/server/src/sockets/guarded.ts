// Owns: handlers of a listener that must not throw.

/** A throw in a handler would end the process: it is reported instead. */
export function guarded<A extends unknown[]>(
  onError: (where: string, error: unknown) => void,
  where: string,
  handle: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      handle(...args);
    } catch (error) {
      onError(where, error);
    }
  };
}
