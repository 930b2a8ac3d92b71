// One receipt in full: of a routing decision also the rules that are not listed in what is stored.

import { isDeepStrictEqual } from 'node:util';
import type { AssignReceipt } from '../core/assignment.js';
import type { Entry } from '../core/conversation.js';
import type { Directory } from '../core/directory.js';
import { requestOf, type RoutingEvent } from '../core/retracing.js';
import { routeInFull, shortened, type RouteReceipt } from '../core/routing.js';
import { ConfigError } from '../errors.js';

/** The configuration of that version; undefined when it is not kept. @throws ConfigError when it cannot be read. */
export type DirectoryAt = (version: number) => Promise<Directory | undefined>;

export interface FullReceipt {
  receipt: RouteReceipt | AssignReceipt;
  /** Why it is no more than what was stored, in words for people; absent where nothing is left out. */
  omittedBecause?: string;
}

/**
 * The receipt in the entry `seq` of this log, which is the whole one. Decides once more, by the version the receipt cites, and
 * takes that only where it agrees with all that was stored.
 * @returns undefined where that entry has none.
 */
export async function fullReceipt(
  log: readonly Entry[],
  seq: number,
  directoryAt: DirectoryAt,
): Promise<FullReceipt | undefined> {
  const event = log[seq - 1]?.event;
  const receipt = event?.body?.receipt;
  if (event === undefined || receipt === undefined) return undefined;
  if (receipt.omitted === undefined) return { receipt };
  if (receipt.kind === 'assign')
    return { receipt, omittedBecause: 'Presence and load at that moment are kept only of the people who are listed.' };
  const version = receipt.ruleSetVersion;
  try {
    const directory = await directoryAt(version);
    if (directory === undefined)
      return { receipt, omittedBecause: `Version ${version} of the configuration is not in the record any more.` };
    const request = requestOf(log, seq, event as RoutingEvent, directory);
    if (request === undefined) return { receipt, omittedBecause: 'What was known then has been erased.' };
    const full = routeInFull(request);
    if (isDeepStrictEqual(asStored(shortened(full)), asStored(receipt))) return { receipt: full };
    return {
      receipt,
      omittedBecause: `By the rules of version ${version} this release would decide otherwise than what is recorded here.`,
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { receipt, omittedBecause: `This release cannot read version ${version} of the configuration.` };
  }
}

function asStored(receipt: RouteReceipt): unknown {
  return JSON.parse(JSON.stringify(receipt));
}
