// Owns: what clients felt of an endpoint: counts that never fall while it is known.

export interface EndpointFelt {
  /** Time of all its connections together, in ms. */
  readonly connectionMs: number;
  /** Clients that were moved here. */
  readonly resumes: number;
  /** Clients that were to be moved here, and were not. */
  readonly resumesFailed: number;
  /** Sockets that ended without a closing handshake. */
  readonly closedAbnormally: number;
  /** Frames of clients that it would have got, and that nobody got. */
  readonly lost: number;
}

export const NOTHING_FELT: EndpointFelt = {
  ...{ connectionMs: 0, resumes: 0, resumesFailed: 0, closedAbnormally: 0, lost: 0 },
};

export const more = (
  felt: EndpointFelt,
  name: keyof EndpointFelt,
  count: number,
): EndpointFelt => ({ ...felt, [name]: felt[name] + count });
