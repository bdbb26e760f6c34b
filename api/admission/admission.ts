/**
 * What is asked, and may change or refuse, before anything is written: one rule of the cluster a plugin.
 *
 * First all plugins change the object, each in turn; then all judge it. Webhooks are to be plugins like the others.
 */
import type { ApiObject } from "@k3ts/model";
import type { User } from "../auth/user.ts";
import type { ServedResource } from "../resources.ts";

export interface AdmissionRequest {
  operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  user: User;
  resource: ServedResource;
  namespace: string;
  name: string;
  subresource: string;
  dryRun: boolean;
  /** About to be stored; absent for DELETE and CONNECT. */
  object?: ApiObject;
  /** What is stored; absent for CREATE and CONNECT. */
  old?: ApiObject;
}

export interface AdmissionPlugin {
  readonly name: string;
  /** Changes `request.object` in place. @throws {StatusError} to refuse */
  mutate?(request: AdmissionRequest): void | Promise<void>;
  /** @throws {StatusError} to refuse */
  validate?(request: AdmissionRequest): void | Promise<void>;
}

export class Admission {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** @returns nothing where no plugin had to wait: then the caller need not either, and what it has read is still new */
  mutate(request: AdmissionRequest): void | Promise<void> {
    return inTurn(this.#plugins, (plugin) => plugin.mutate?.(request));
  }

  /** @returns nothing where no plugin had to wait */
  validate(request: AdmissionRequest): void | Promise<void> {
    return inTurn(this.#plugins, (plugin) => plugin.validate?.(request));
  }
}

function inTurn(
  plugins: readonly AdmissionPlugin[],
  ask: (plugin: AdmissionPlugin) => void | Promise<void>,
): void | Promise<void> {
  for (const [index, plugin] of plugins.entries()) {
    const asking = ask(plugin);
    if (asking !== undefined) return asking.then(() => inTurn(plugins.slice(index + 1), ask));
  }
}

export function concerns({ resource, subresource }: AdmissionRequest, group: string, name: string): boolean {
  return resource.group === group && resource.resource === name && subresource === "";
}
