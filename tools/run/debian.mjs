// Owns: programs out of Debian's packages, unpacked into our own folder: nothing is installed, no
// service starts, no rights are needed.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { capture } from "./child.mjs";
import { isExecutable } from "./executable.mjs";
import { ROOT } from "./root.mjs";

export const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** Another installation on this machine is waited for, not run into. */
export const LOCK_WAIT = "-oDPkg::Lock::Timeout=240";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Code name of the Debian that this is; undefined on anything else.
 * @returns {string | undefined}
 */
export function debianRelease() {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
}

/**
 * @param {string} name
 * @param {string | undefined} named a path that wins when given
 * @param {string} folder of ours, after those of PATH
 * @returns {string | undefined}
 */
export function findExecutable(name, named, folder) {
  if (named !== undefined && named !== "") return named;
  const folders = [
    ...(process.env.PATH ?? "").split(delimiter).filter((one) => one !== ""),
    folder,
  ];
  return folders.map((one) => join(one, name)).find(isExecutable);
}

/**
 * Fetches a package with package lists of our own, so that the system's sources stay as they are,
 * and moves files out of it. Says on the console what it does.
 * @param {object} wanted
 * @param {string} wanted.name
 * @param {string} wanted.suite for instance `bookworm-backports`
 * @param {Record<string, string>} wanted.files paths inside the package, and their destinations
 * @param {boolean} [wanted.withLibraries] unpacks what it depends on and is not installed beside it
 * @returns {Promise<boolean>} false if it cannot be done
 */
export async function unpackDebian({ name, suite, files, withLibraries = false }) {
  const uri = mirror();
  if (!existsSync("/usr/bin/apt-get") || !existsSync(KEYRING) || uri === undefined) return false;
  console.log(`  fetching ${name} from Debian's ${suite}...`);
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache/fetching-"));
  try {
    return await fetchInto(folder, { name, suite, uri, files, withLibraries });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} folder
 * @param {{ name: string, suite: string, uri: string, files: Record<string, string>, withLibraries: boolean }} wanted
 */
async function fetchInto(folder, { name, suite, uri, files, withLibraries }) {
  for (const part of ["lists/partial", "cache/archives/partial", "unpacked"])
    mkdirSync(join(folder, part), { recursive: true });
  const sources = join(folder, "debian.sources");
  writeFileSync(
    sources,
    `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: ${KEYRING}\n`,
  );
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(folder, "lists")}`,
    `Dir::Cache=${join(folder, "cache")}`,
    "Debug::NoLocking=1",
    "APT::Sandbox::User=",
  ].flatMap((option) => ["-o", option]);
  const apt = async (/** @type {string[]} */ args) => {
    const run = await capture("apt-get", [...options, ...args], {
      timeoutMs: INSTALL_TIMEOUT_MS,
      cwd: folder,
    });
    if (run.code !== 0) console.log(run.output.trimEnd());
    return run.code === 0;
  };
  if (!(await apt(["update"]))) return false;
  const libraries = withLibraries ? await missingLibraries(name, options) : [];
  if (!(await apt(["download", name, ...libraries]))) return false;
  const unpacked = join(folder, "unpacked");
  const packages = readdirSync(folder).filter((one) => one.endsWith(".deb"));
  for (const file of packages)
    if ((await capture("dpkg-deb", ["-x", join(folder, file), unpacked])).code !== 0) return false;
  for (const [inside, target] of Object.entries(files)) {
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(unpacked, inside), target);
  }
  return true;
}

/**
 * Libraries that a package depends on, and that those depend on, and that are not installed.
 * @param {string} name
 * @param {string[]} options of apt
 */
async function missingLibraries(name, options) {
  const missing = new Set();
  const seen = new Set([name]);
  const asked = [name];
  for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
    const { output } = await capture("apt-cache", [...options, "depends", next]);
    for (const [, one = ""] of output.matchAll(/^ {2}Depends: (lib\S+)$/gm)) {
      if (seen.has(one)) continue;
      seen.add(one);
      if ((await capture("dpkg-query", ["-W", one])).code === 0) continue;
      missing.add(one);
      asked.push(one);
    }
  }
  return [...missing];
}

/** The mirror that the system uses already. @returns {string | undefined} */
function mirror() {
  const files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"].filter((file) =>
    existsSync(file),
  );
  return files
    .map((file) => /(https?:\/\/[^\s]+\/debian)\/?(?=\s)/.exec(readFileSync(file, "utf8"))?.[1])
    .find((url) => url !== undefined);
}
