// Draws the app's icons from their geometry: color.png (192 x 192) and outline.png (32 x 32, white on transparent).

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';

/** On a field of 32 x 32, as in web/public/handoff.svg: an arrow to the person and an arrow back. */
const STROKES = [
  [
    [8, 12],
    [20, 12],
  ],
  [
    [16, 8],
    [20, 12],
  ],
  [
    [20, 12],
    [16, 16],
  ],
  [
    [24, 20],
    [12, 20],
  ],
  [
    [16, 16],
    [12, 20],
  ],
  [
    [12, 20],
    [16, 24],
  ],
];
const FIELD = 32;
const STROKE_WIDTH = 2.6;
const CORNER = 7;
const BLUE = [0x3b, 0x5b, 0xdb];
const WHITE = [0xff, 0xff, 0xff];
/** Samples per pixel and direction: smooth edges. */
const SAMPLES = 4;

export const ICONS = [
  { file: 'color.png', size: 192, ground: BLUE },
  { file: 'outline.png', size: 32, ground: undefined },
];

/** @returns the icon as a PNG with 8 bits each of red, green, blue and opacity. */
export function drawIcon({ size, ground }) {
  const rows = Buffer.alloc(size * (1 + size * 4));
  for (let y = 0; y < size; y += 1)
    for (let x = 0; x < size; x += 1) {
      let drawn = 0;
      let covered = 0;
      for (let sample = 0; sample < SAMPLES * SAMPLES; sample += 1) {
        const px = ((x + ((sample % SAMPLES) + 0.5) / SAMPLES) * FIELD) / size;
        const py = ((y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES) * FIELD) / size;
        if (STROKES.some(([from, to]) => distance(px, py, from, to) <= STROKE_WIDTH / 2)) drawn += 1;
        else if (ground !== undefined && isOnGround(px, py)) covered += 1;
      }
      const opaque = drawn + covered;
      const color =
        opaque === 0 ? WHITE : WHITE.map((white, i) => (white * drawn + (ground ?? WHITE)[i] * covered) / opaque);
      const at = y * (1 + size * 4) + 1 + x * 4;
      rows.set([...color.map(Math.round), Math.round((255 * opaque) / (SAMPLES * SAMPLES))], at);
    }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // 8 bits a channel, red, green, blue and opacity.
  header.set([8, 6, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function distance(x, y, [ax, ay], [bx, by]) {
  const along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay));
}

/** A square with round corners that fills the field. */
function isOnGround(x, y) {
  const dx = Math.max(CORNER - x, x - (FIELD - CORNER), 0);
  const dy = Math.max(CORNER - y, y - (FIELD - CORNER), 0);
  return Math.hypot(dx, dy) <= CORNER;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'ascii'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const icon of ICONS) await writeFile(new URL(`teams/${icon.file}`, import.meta.url), drawIcon(icon));
