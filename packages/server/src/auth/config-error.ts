// Owns: the error for authentication settings that cannot work.

/**
 * A setting is unusable; thrown while a node starts, never later. `path` names the setting. The
 * text never holds a secret.
 */
export class AuthConfigError extends Error {
  readonly code = "auth_config_invalid";
  readonly path: string;
  constructor(path: string, message: string, options?: { cause?: unknown }) {
    super(`${path}: ${message}`, options);
    this.name = "AuthConfigError";
    this.path = path;
  }
}
