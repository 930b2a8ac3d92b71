// JSON from outside, read so that it can be written again.

import { BadRequest } from './errors.js';

/** Adaptive Cards in a carousel reach about 40. */
const MAX_DEPTH = 256;

/**
 * JSON from outside. Values nested deeper than any real activity are refused: they parse, but cannot be written again.
 * @throws BadRequest 400
 */
export function parseJson(bytes: Buffer): unknown {
  if (depthOf(bytes) > MAX_DEPTH)
    throw new BadRequest(400, 'BadSyntax', `The JSON is nested more than ${MAX_DEPTH} levels deep. Send it flatter.`);
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (cause) {
    throw new BadRequest(
      400,
      'BadSyntax',
      'The body is not valid JSON. Send one JSON object, encoded as UTF-8.',
      {},
      { cause },
    );
  }
}

/** Brackets open at once, outside of strings. */
function depthOf(json: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, (depth += 1));
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return deepest;
}
