// Owns: the meaning of the command's exit statuses. docs/reference and --help say the same.

export const EXIT = {
  /** Success; also a node that was told to stop and had to cut connections. */
  ok: 0,
  /** Failed while running. */
  failed: 1,
  /**
   * Arguments, configuration or contract were refused: they will be refused again unless they
   * change.
   */
  refused: 2,
  /** Could not start because of something outside, such as a port in use: it may work later. */
  unavailable: 3,
  /** A measurement took place and missed its objectives. */
  missed: 4,
  /** A release that was waited for was rolled back. */
  rolledBack: 10,
  /** A release that was waited for is paused. */
  paused: 11,
  /** It was not over in time. */
  timedOut: 12,
} as const;

export const EXIT_HELP = `Exit status: 0 ended as asked, 1 failed while running, 2 arguments, configuration or contract refused, 3 could not start (such as a port in use, or a server that nobody reaches), 4 measured and missed what --slo wants.`;
