// Owns: running a program in a root of its own as a container would: no rights, a root that cannot
// be written, processes and mounts of its own.
import { ImageError } from "./image-error.ts";

/** The user of the image; a test compares it with the Dockerfile. */
export const USER_ID = 65532;

/**
 * Makes the mounts of a container in $1 and starts the rest of the arguments. Runs as root of its
 * own namespaces.
 */
const MOUNTS = `set -eu
root=$1; shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t tmpfs -o nosuid,noexec,mode=755,size=64k tmpfs dev
for device in null zero random urandom; do : > dev/$device; mount --bind /dev/$device dev/$device; done
mount -o remount,bind,ro,nosuid,nodev "$root"
exec "$@"`;

/**
 * The command that runs `argv` (paths inside the root) confined. As root the program becomes
 * another user for real; without root it is another user of a user namespace, which the
 * kernel must allow. Both need util-linux. The network is this machine's, so that clients reach it.
 */
export function confinedCommand(
  root: string,
  argv: readonly string[],
  isRoot: boolean = process.getuid?.() === 0,
): readonly string[] {
  const own = ["--mount", "--pid", "--fork", "--kill-child=SIGKILL"];
  const id = String(USER_ID);
  // chroot drops groups, then root; what is left has no capability, and no program can give it one.
  if (isRoot)
    return [
      "unshare",
      ...own,
      "sh",
      "-c",
      MOUNTS,
      "sh",
      root,
      "setpriv",
      "--no-new-privs",
      "chroot",
      `--userspec=${id}:${id}`,
      "--groups=",
      root,
      ...argv,
    ];
  const inner = [
    "unshare",
    "--user",
    `--map-user=${id}`,
    `--map-group=${id}`,
    `--root=${root}`,
    "--wd=/",
    ...argv,
  ];
  return [
    "unshare",
    "--user",
    "--map-root-user",
    ...own,
    "sh",
    "-c",
    MOUNTS,
    "sh",
    root,
    "setpriv",
    "--no-new-privs",
    ...inner,
  ];
}

/** Throws `ImageError`, which says what is missing, if this machine cannot confine. */
export function requireConfinement(): void {
  const isRoot = process.getuid?.() === 0;
  if (process.platform !== "linux")
    throw new ImageError(`Cannot check the image: this is ${process.platform}, expected Linux`);
  const probe = Bun.spawnSync([
    "unshare",
    ...(isRoot ? [] : ["--user", "--map-root-user"]),
    "--mount",
    "--pid",
    "--fork",
    "mount",
    "-t",
    "proc",
    "proc",
    "/proc",
  ]);
  if (probe.success) return;
  const wanted = isRoot
    ? "root with the capability SYS_ADMIN (a container: --cap-add SYS_ADMIN --security-opt apparmor=unconfined, or --privileged)"
    : "user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), or root";
  throw new ImageError(
    `Cannot check the image: unshare and mount answered "${probe.stderr.toString().trim()}", expected ${wanted}, and util-linux`,
  );
}
