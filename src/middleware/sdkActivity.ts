// Activities between the SDK and the hub: the SDK has dates and shares objects, the hub keeps plain JSON of its own.

import type { Activity } from '../core/activity.js';
import { fromAgents, isAgents, type SdkActivity } from './host.js';

const DATES = ['timestamp', 'localTimestamp', 'expiration'] as const;
const RAW_DATES = ['rawTimestamp', 'rawLocalTimestamp', 'rawExpiration'];

/** A copy the bot may change: what the log holds stays as it is. */
export function toSdk(activity: Activity): SdkActivity {
  const copy = structuredClone(activity) as Record<string, unknown>;
  for (const field of DATES) if (typeof copy[field] === 'string') copy[field] = new Date(copy[field]);
  return copy as unknown as SdkActivity;
}

/** @throws TypeError when the activity holds something that JSON cannot (a circle, a bigint). */
export function fromSdk(activity: Partial<SdkActivity>): Activity {
  const json = JSON.parse(JSON.stringify(activity)) as Record<string, unknown>;
  // A copy that the Agents SDK made of one is of no class any more, and has its channel under the inner name.
  const plain = isAgents(activity) || '_channelId' in json ? fromAgents(json, activity.channelId) : json;
  for (const field of RAW_DATES) delete plain[field];
  return { ...plain, type: typeof plain['type'] === 'string' ? plain['type'] : 'message' };
}
