/** Backends of the `Store` contract that need more than memory. */
export { diskStore, type DiskStoreOptions } from "./disk.ts";
