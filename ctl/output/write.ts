/** Bytes and text as they are. */

/**
 * Blocks until all is written: whoever awaits between two messages of a stream may find it closed with what it held.
 * Meanwhile nothing more is taken from the network, so that a slow reader slows down the container, as it should.
 */
export function writeAll(to: { writeSync(data: Uint8Array): number }, data: Uint8Array): void {
  for (let at = 0; at < data.length;) at += to.writeSync(data.subarray(at));
}

/** To standard output, adding nothing. */
export function writeText(text: string): void {
  writeAll(Deno.stdout, new TextEncoder().encode(text));
}
