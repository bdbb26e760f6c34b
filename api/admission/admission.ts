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

  async mutate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) {
      const changing = plugin.mutate?.(request);
      // Awaiting nothing would give up the turn, and with it the freshness of what was read.
      if (changing !== undefined) await changing;
    }
  }

  async validate(request: AdmissionRequest): Promise<void> {
    for (const plugin of this.#plugins) {
      const judging = plugin.validate?.(request);
      if (judging !== undefined) await judging;
    }
  }
}

export function concerns({ resource, subresource }: AdmissionRequest, group: string, name: string): boolean {
  return resource.group === group && resource.resource === name && subresource === "";
}
