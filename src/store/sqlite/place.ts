// The data directory: made if absent, refused where a database cannot live, and held by one process at a time.

import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../../errors.js';
import { CODE, codeOf, type Database } from './engine.js';

export const databaseFile = (directory: string): string => join(directory, 'handoff.db');
const lockFile = (directory: string): string => join(directory, 'lock.db');

/** What the operating system says about the file system of a directory. */
export interface FileSystem {
  /** `f_type` of statfs on Linux. */
  magic: number | undefined;
  /** Its name in the mount table, e.g. `ext4`, `fuse.blobfuse2`. */
  name: string | undefined;
}

const NETWORK_MAGIC: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'SMB (CIFS)',
  0xfe534d42: 'SMB 2',
  0x564c: 'NetWare (NCP)',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS',
  0x73757245: 'Coda',
  0x00c36400: 'Ceph',
  0x0bd00bd0: 'Lustre',
  0x47504653: 'GPFS',
  0x19830326: 'BeeGFS',
  0xaad7aaea: 'Panasas',
  0x7461636f: 'OCFS2',
  0x01161970: 'GFS2',
};

const FUSE_MAGIC = 0x65735546;

/** FUSE carries local file systems as well (ntfs-3g, fuse-overlayfs of rootless containers): only these are far away. */
const NETWORK_FUSE =
  /^(?:fuse\.)?(?:azure|blobfuse2?|s3fs|goofys|mountpoint-s3|gcsfuse|sshfs|rclone|davfs2?|webdav|glusterfs|ceph|ceph-fuse|cephfs|juicefs|seaweedfs|smbnetfs|curlftpfs|moosefs|mfs|lizardfs|objectivefs|cvmfs2?|dropbox|google-drive-ocamlfuse)$/i;

/** The kind of network file system, or undefined for a local one. 9p is local: it is how virtual machines see their own disk. */
export function networkFileSystem({ magic, name }: FileSystem): string | undefined {
  const known = magic === undefined ? undefined : NETWORK_MAGIC[magic];
  if (known !== undefined) return known;
  if (magic === FUSE_MAGIC && name !== undefined && NETWORK_FUSE.test(name)) return name;
  return undefined;
}

export function fileSystemOf(directory: string): FileSystem {
  if (process.platform === 'win32')
    return { magic: directory.startsWith('\\\\') ? 0x517b : undefined, name: undefined };
  // Elsewhere than on Linux the numbers mean something else.
  if (process.platform !== 'linux') return { magic: undefined, name: undefined };
  return { magic: Number(statfsSync(directory).type) >>> 0, name: mountedAs(directory) };
}

function mountedAs(directory: string): string | undefined {
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return undefined;
  }
  const path = realpathSync(directory);
  let best: { point: string; type: string } | undefined;
  for (const line of mounts.split('\n')) {
    const [before, after] = line.split(' - ');
    // Spaces in a mount point are written as \040.
    const point = before
      ?.split(' ')[4]
      ?.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    const type = after?.split(' ')[0];
    if (point === undefined || type === undefined) continue;
    const holds = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    // Of two mounts on one point the later one is on top.
    if (holds && (best === undefined || point.length >= best.point.length)) best = { point, type };
  }
  return best?.type;
}

/**
 * The directory and its files exist, only the owner can read them, and it is a place where a database can live.
 * @returns the absolute path.
 * @throws ConfigError with the cure.
 */
export function preparePlace(wanted: string, look: (directory: string) => FileSystem = fileSystemOf): string {
  const directory = resolve(wanted);
  making(directory, () => {
    refuseNetwork(directory, look(nearestExisting(directory)));
    makeDirectories(directory);
    refuseNetwork(directory, look(directory));
    for (const file of [lockFile(directory), databaseFile(directory)]) makePrivate(file);
  });
  return directory;
}

/**
 * For a server whose record is elsewhere: the directory exists, only the owner can read it.
 * @returns whether it can be held: on a network file system locks do not hold.
 * @throws ConfigError with the cure.
 */
export function prepareHeldPlace(directory: string, look: (directory: string) => FileSystem = fileSystemOf): boolean {
  return making(directory, () => {
    makeDirectories(directory);
    if (networkFileSystem(look(directory)) !== undefined) return false;
    makePrivate(lockFile(directory));
    return true;
  });
}

/** @throws ConfigError with the cure when the system refuses it. */
function making<T>(directory: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      [
        `The data directory ${directory} cannot be written (${error instanceof Error ? error.message : String(error)}).` +
          ' Give the account that runs this program the right to write there, or choose another place with --data.',
      ],
      { cause: error },
    );
  }
}

const NAME_IT =
  'Name the directory of the server with --data, set DATABASE_URL if it keeps its record in PostgreSQL, or start it once.';

/** For who wants the record that is there: nothing is made. @throws ConfigError with the cure when there is none. */
export function findPlace(wanted: string, cure: string = NAME_IT): string {
  const directory = resolve(wanted);
  let size;
  try {
    // A file without a byte is what a start leaves that failed at once.
    size = statSync(databaseFile(directory)).size;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw noRecord(directory, cure);
    throw new ConfigError(
      [
        `The data directory ${directory} cannot be read (${error instanceof Error ? error.message : String(error)}).` +
          ' Run this as the account that runs the server.',
      ],
      { cause: error },
    );
  }
  if (size === 0) throw noRecord(directory, cure);
  return directory;
}

export function noRecord(directory: string, cure: string = NAME_IT): ConfigError {
  return new ConfigError([`There is no record in the data directory ${directory}. ${cure}`]);
}

/** For who only reads: the tables may not be changed then. */
export function olderRecord(directory: string): ConfigError {
  return new ConfigError([
    `The record in ${directory} is an older release's. Start the server on it once (--data), which brings it up to date.`,
  ]);
}

function refuseNetwork(directory: string, fileSystem: FileSystem): void {
  const kind = networkFileSystem(fileSystem);
  if (kind === undefined) return;
  throw new ConfigError([
    `The data directory ${directory} is on a network file system (${kind}), where SQLite's locks do not protect the data.` +
      ' Set DATABASE_URL to keep the record in PostgreSQL, or choose a directory on a local disk with --data.',
  ]);
}

function nearestExisting(directory: string): string {
  for (let path = directory; ; path = dirname(path)) {
    try {
      return realpathSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) throw error;
    }
  }
}

/** One by one: Node's own recursive way never returns where the system says ENOENT to every name, as in /proc. */
function makeDirectories(directory: string): void {
  const missing: string[] = [];
  for (let path = directory; !existsSync(path) && path !== dirname(path); path = dirname(path)) missing.push(path);
  for (const path of missing.reverse()) mkdirSync(path, { mode: 0o700 });
  if (!statSync(directory).isDirectory()) throw new Error('it is a file');
}

/**
 * Creates a file that only its owner can read; SQLite gives its companion files the same mode. It is never opened when
 * it exists: closing it again would drop the locks that another store in this process holds on it (POSIX).
 */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    chmodSync(file, 0o600);
  }
}

/**
 * Held until closed, or until the process is gone, however it went: the kernel keeps the lock, not the file.
 * @throws ConfigError when another process, or another store of this one, holds the directory.
 */
export function holdLock(DatabaseSync: new (path: string) => Database, directory: string): Database {
  const lock = new DatabaseSync(lockFile(directory));
  try {
    lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (codeOf(error) !== CODE.busy) throw error;
    throw new ConfigError(
      [
        `The data directory ${directory} is in use by another running process.` +
          ' Stop that one first, or give this one a directory of its own with --data.' +
          ' Where a program of yours holds the hub, it makes sign-in links and pairing codes itself: hub.createSignIn, hub.createPairingCode.',
      ],
      { cause: error },
    );
  }
}
