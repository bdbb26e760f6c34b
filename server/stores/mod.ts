/** Backends of the `Store` contract that need more than memory. */
export { type SlateDbOptions, slateDbStore } from "./slatedb.ts";
