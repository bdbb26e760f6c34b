/** What the writer writes, so that whoever reads it back can tell. */
import type { Revision } from "@k3ts/api";

/** 16 to 2,063 bytes that no other revision has. */
export function valueOf(revision: Revision): Uint8Array {
  const value = new Uint8Array(16 + (revision * 7919) % 2048);
  const view = new DataView(value.buffer);
  view.setFloat64(0, revision);
  for (let at = 8, state = revision; at < value.length; at++) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    value[at] = state >> 16;
  }
  return value;
}
