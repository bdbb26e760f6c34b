/**
 * Everything visible of one resource: newest objects, recent changes, and the watches that follow them.
 *
 * Reads of a past revision are made from the newest state by undoing the changes since.
 */
import type { Revision } from "../store/store.ts";
import type { StoredObject } from "../registry/stored_object.ts";
import { expired } from "../status.ts";
import type { ObjectChange, ObjectFilter } from "./change.ts";
import { type ContinueToken, formatContinue } from "./continue_token.ts";
import { History, type HistoryLimits } from "./history.ts";
import { compareObjects, ObjectIndex } from "./index.ts";

/** The part of a resource that a read or a watch is about. */
export interface Scope {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** Only the object of this name. */
  readonly name?: string;
  readonly filter?: ObjectFilter;
}

export interface ListPage {
  objects: readonly StoredObject[];
  /** Of the state that the page shows. */
  revision: Revision;
  continue?: string;
  /** How many objects follow the page; unknown where a filter chose. */
  remaining?: number;
}

export class ResourceCache {
  readonly index = new ObjectIndex();
  readonly history: History;
  /** Called after a batch of changes; each must return at once. */
  readonly followers = new Set<() => void>();
  /** Everything, while nothing has changed: a thousand watches that begin at once go through one array. */
  #everything: readonly StoredObject[] | undefined;

  constructor(historyBegin: Revision, limits?: HistoryLimits) {
    this.history = new History(historyBegin, limits);
  }

  apply(change: ObjectChange): void {
    if (change.type === "DELETED") this.index.delete(change.object.namespace, change.object.name);
    else this.index.set(change.object);
    this.#everything = undefined;
    this.history.add(change);
  }

  /** Everything in a scope now. */
  newest(scope: Scope): readonly StoredObject[] {
    if (scope.name !== undefined && scope.namespace !== undefined) {
      const object = this.index.get(scope.namespace, scope.name);
      return object !== undefined && (scope.filter?.(object) ?? true) ? [object] : [];
    }
    const whole = scope.namespace === undefined && scope.name === undefined && scope.filter === undefined;
    if (!whole) return select(this.index.all(scope.namespace), scope);
    // What is found at the start comes into the index by itself.
    if (this.#everything?.length !== this.index.size) this.#everything = [...this.index.all()];
    return this.#everything;
  }

  /**
   * Everything in a scope as it was at a revision.
   * @returns undefined when the changes since are forgotten
   */
  asOf(scope: Scope, revision: Revision): readonly StoredObject[] | undefined {
    if (revision < this.history.begin - 1) return undefined;
    // The oldest undone change of an object has the last word.
    const undone = new Map<string, ObjectChange>();
    for (const change of this.history.backTo(revision)) {
      if (scope.namespace !== undefined && change.object.namespace !== scope.namespace) continue;
      undone.set(`${change.object.namespace}/${change.object.name}`, change);
    }
    if (undone.size === 0) return this.newest(scope);
    const before: StoredObject[] = [];
    for (const change of undone.values()) {
      if (change.type === "ADDED") continue;
      if (change.previous === undefined) return undefined;
      before.push(change.previous);
    }
    const untouched = [...this.index.all(scope.namespace)].filter((object) =>
      !undone.has(`${object.namespace}/${object.name}`)
    );
    return select([...untouched, ...before].sort(compareObjects), scope);
  }

  /**
   * One page.
   * @param revision of the newest visible state
   * @param exact show this revision instead
   * @param bytesMax a page that has a limit ends before the object whose JSON would exceed it, but never empty
   * @throws {StatusError} 410 when the revision is forgotten, with a token to go on from the newest state
   */
  page(
    scope: Scope,
    revision: Revision,
    { limit = 0, token, exact, bytesMax = Infinity }: {
      limit?: number;
      token?: ContinueToken;
      exact?: Revision;
      bytesMax?: number;
    },
  ): ListPage {
    const wanted = token !== undefined && token.revision > 0 ? token.revision : exact ?? revision;
    const all = wanted >= revision ? this.newest(scope) : this.asOf(scope, wanted);
    if (all === undefined) throw refuseForgotten(wanted, token);
    const from = token === undefined ? 0 : all.findIndex((object) => compareObjects(object, token.start) >= 0);
    const rest = from === -1 ? [] : from === 0 ? all : all.slice(from);
    const of = Math.min(wanted, revision);
    const count = limit <= 0 ? rest.length : fitting(rest, limit, bytesMax);
    if (count === rest.length) return { objects: rest, revision: of };
    return {
      objects: rest.slice(0, count),
      revision: of,
      continue: formatContinue({ revision: of, start: rest[count]! }),
      ...(scope.filter === undefined && { remaining: rest.length - count }),
    };
  }
}

/** How many of the first objects make a page. */
function fitting(objects: readonly StoredObject[], limit: number, bytesMax: number): number {
  const most = Math.min(limit, objects.length);
  if (bytesMax === Infinity) return most;
  let count = 0;
  for (let bytes = 0; count < most; count++) {
    bytes += objects[count]!.json.length;
    if (bytes > bytesMax && count > 0) break;
  }
  return count;
}

function select(objects: Iterable<StoredObject>, { name, filter }: Scope): StoredObject[] {
  const selected: StoredObject[] = [];
  for (const object of objects) {
    if ((name === undefined || object.name === name) && (filter === undefined || filter(object))) selected.push(object);
  }
  return selected;
}

function refuseForgotten(revision: Revision, token: ContinueToken | undefined) {
  if (token === undefined) return expired(`The resourceVersion for the provided list is too old: ${revision}`);
  return expired(
    "The provided continue parameter is too old to display a consistent list result. You can start a new list " +
      "without the continue parameter, or use the continue token in this response to retrieve the remainder of the " +
      "results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
      "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    { continue: formatContinue({ revision: 0, start: token.start }) },
  );
}
