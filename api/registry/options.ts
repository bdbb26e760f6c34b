/** What the registry is given by those who open it and those who write. */
import type { HistoryLimits } from "../cache/history.ts";
import type { StoreWriter } from "../store/store.ts";
import type { GroupCommitOptions } from "./group_commit.ts";
import type { ObjectData } from "./stored_object.ts";

/** Gives out what must be unique in the cluster: addresses, ports. Sees every write, so that it needs no releasing. */
export interface Allocator {
  /** Fills in what `next` lacks. @throws {StatusError} when what it asks for is taken or nothing is left */
  assign(next: ObjectData, previous: ObjectData | undefined): void;
  /** A write has been accepted: what `previous` held and `next` does not is free again. */
  observe(next: ObjectData | undefined, previous: ObjectData | undefined): void;
}

export interface RegistryOptions extends GroupCommitOptions {
  historyLimits?: HistoryLimits;
  /** By `resource.group`. */
  allocators?: ReadonlyMap<string, Allocator>;
  /** History that the store keeps at least, for watches that resume after a restart. @default 10 minutes */
  storeHistoryMs?: number;
  /** Opens the store again after a failure. Absent: a failure is the end. */
  reopen?: () => Promise<StoreWriter>;
  tracing?: Tracing;
  /** Told when the store fails, when it cannot be opened again, and when it can (undefined). */
  onStoreFailure?: (failure: Error | undefined) => void;
}

/** How writes become parts of traces. */
export interface Tracing {
  /** W3C Trace Context of what is being done now; empty outside of any trace. */
  current(): string;
  span<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export interface WriteOptions {
  /** Everything but the store: the answer is what would have been written. @default false */
  dryRun?: boolean;
  /** May be lost with the machine. @default false */
  mayBeLost?: boolean;
}
