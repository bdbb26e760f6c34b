import { type Change, LIMITS, type Revision } from "./store.ts";

const encoder = new TextEncoder();

/**
 * What every backend asks of a batch before it takes it.
 * @param last the revision of the last change that was taken
 * @throws {RangeError} beyond {@link LIMITS}, and where revisions do not follow each other
 */
export function refuseIfOutOfBounds(changes: readonly Change[], last: Revision): void {
  const refuse = (why: string) => {
    throw new RangeError(`Cannot append a batch as ${why}`);
  };
  const { batchChangesMax, batchBytesMax, keyBytesMax, valueBytesMax } = LIMITS;
  if (changes.length > batchChangesMax) refuse(`at most ${batchChangesMax} changes fit: it has ${changes.length}`);
  let bytes = 0;
  changes.forEach(({ key, value, revision }, index) => {
    const expected = last + 1 + index;
    if (revision !== expected) refuse(`revision ${expected} must come next: it is ${revision}`);
    // A UTF-16 code unit takes at most three bytes of UTF-8: most keys need no closer look.
    const keyBytes = key.length * 3 <= keyBytesMax ? key.length : encoder.encode(key).length;
    if (keyBytes > keyBytesMax) refuse(`a key has at most ${keyBytesMax} bytes: one has ${keyBytes}`);
    if (value.length > valueBytesMax) refuse(`a value has at most ${valueBytesMax} bytes: one has ${value.length}`);
    bytes += keyBytes + value.length;
  });
  if (bytes > batchBytesMax) refuse(`at most ${batchBytesMax} bytes fit: it has ${bytes}`);
}
