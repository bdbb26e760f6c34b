/** What both sides of a connection hold to, as written in `k3ts/v1/frame.proto`. */

/** Who dialled uses odd call ids, who was dialled even ones. A plugin's host and JavaScript on the FFI are dialers. */
export type Side = "dialer" | "listener";

/** Most calls of one direction that may be open on a connection. */
export const CALLS_MAX = 1024;
/** Messages that a callee may send before the caller has granted more. */
export const CREDIT_START = 16;
/** A deadline further away is brought to this: 49 days. */
export const TIMEOUT_MS_MAX = 0xffff_ffff;

export function encodeCredit(messages: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, messages, true);
  return payload;
}

export function decodeCredit(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
}

/** Whether a call of this id was opened by that side. */
export function isCallOf(side: Side, callId: number): boolean {
  return (callId % 2 === 1) === (side === "dialer");
}
