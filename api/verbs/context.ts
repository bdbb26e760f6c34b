/** What the verbs work with: made once a server. */
import type { Admission } from "../admission/admission.ts";
import type { Access } from "../auth/access.ts";
import type { ServiceAccountTokens } from "../auth/service_account_tokens.ts";
import type { Clock } from "@k3ts/model";
import type { Registry } from "../registry/registry.ts";
import type { ResourceTable, ServedResource } from "../resources.ts";

export interface Verbs {
  readonly resources: ResourceTable;
  readonly registry: Registry<ServedResource>;
  readonly access: Access;
  readonly admission: Admission;
  readonly tokens: ServiceAccountTokens;
  readonly clock: Clock;
  /** From 0 to 1, for names. */
  random(): number;
}
