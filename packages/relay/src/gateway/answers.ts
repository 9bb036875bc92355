// Owns: answers to requests that get no socket.

/** A proxy's word that it has no server, or a server's that it takes nobody: another may. */
export const isOfNoServer = (status: number): boolean => status >= 502 && status <= 504;

export const turned = (status: number, seconds: number, text: string): Response =>
  new Response(text, { status, headers: { "retry-after": String(seconds) } });

/**
 * Statuses about who the client is, which another endpoint says as well. Any other may be the
 * endpoint's own trouble: a new version may answer 404 before it is whole.
 */
export const isOfClient = (status: number): boolean => status === 401 || status === 403;
