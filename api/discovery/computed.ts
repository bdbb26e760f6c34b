/**
 * API groups that are not stored: what they hold is computed when somebody asks, or asked of somebody else. They are
 * found, authorised and answered like any other; they differ in where their objects come from.
 */
import { apiVersionOf, type Verb } from "@k3ts/model";
import type { ApiValue } from "../verbs/request.ts";

/** Which of the objects are wanted. */
export interface ComputedSelection {
  /** Empty: all namespaces, or none. */
  namespace: string;
  labelSelector: string;
  fieldSelector: string;
}

export interface ComputedResource {
  /** Lower case, plural. */
  resource: string;
  kind: string;
  namespaced: boolean;
  verbs: readonly Verb[];
  /** @throws {StatusError} 404 */
  get(name: string, namespace: string): Promise<ApiValue>;
  /** @throws {StatusError} 400 for a selector that cannot be read */
  list(selection: ComputedSelection): Promise<readonly ApiValue[]>;
}

export interface ComputedGroup {
  group: string;
  version: string;
  resources: readonly ComputedResource[];
}

export interface FoundResource extends ComputedResource {
  group: string;
  apiVersion: string;
}

export class ComputedGroups {
  readonly all: readonly ComputedGroup[];

  constructor(groups: readonly ComputedGroup[] = []) {
    this.all = groups;
  }

  find(apiVersion: string, resource: string): FoundResource | undefined {
    const group = this.all.find((one) => apiVersionOf(one.group, one.version) === apiVersion);
    const found = group?.resources.find((one) => one.resource === resource);
    return found && { ...found, group: group!.group, apiVersion };
  }
}
