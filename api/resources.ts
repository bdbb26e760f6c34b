/**
 * The resources that the server serves. To serve one more, add a row here; its names, versions, verbs and types are in
 * the model's facts, what is special about it in the model's `kinds/`.
 */
import {
  apiVersionOf,
  type Kind,
  kindOf,
  objectType,
  type ResourceFacts,
  resourceFacts,
  type SubresourceFacts,
  type TypeFacts,
  type Verb,
} from "@k3ts/model";
import type { ObjectData, StoredResource } from "./registry/stored_object.ts";
import { groupResource } from "./status.ts";

interface ServedRow {
  group: string;
  resource: string;
  /** Which of its subresources are served. @default none */
  subresources?: string[];
  /** How long an object lives after its last write. @default for ever */
  ttlMs?: number;
  /** A delete answers with the object instead of a Status. @default false */
  answersWithDeleted?: boolean;
  /** What it owns stays when it is deleted, unless the delete says otherwise. @default false */
  orphansByDefault?: boolean;
  /** A namespace in which updates only say "still alive": one that is lost with the machine is soon made again. */
  heartbeatsIn?: string;
}

const HOUR_MS = 3_600_000;

const SERVED: readonly ServedRow[] = [
  { group: "", resource: "namespaces", subresources: ["finalize", "status"] },
  { group: "", resource: "nodes", subresources: ["proxy", "status"] },
  {
    group: "",
    resource: "pods",
    subresources: ["attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"],
    answersWithDeleted: true,
  },
  { group: "", resource: "services", subresources: ["proxy", "status"], answersWithDeleted: true },
  { group: "", resource: "endpoints" },
  { group: "", resource: "configmaps" },
  { group: "", resource: "secrets" },
  { group: "", resource: "serviceaccounts", subresources: ["token"], answersWithDeleted: true },
  { group: "", resource: "events" },
  { group: "apps", resource: "deployments", subresources: ["scale", "status"] },
  { group: "apps", resource: "replicasets", subresources: ["scale", "status"] },
  { group: "apps", resource: "daemonsets", subresources: ["status"] },
  { group: "apps", resource: "controllerrevisions" },
  { group: "batch", resource: "jobs", subresources: ["status"], orphansByDefault: true },
  { group: "batch", resource: "cronjobs", subresources: ["status"] },
  { group: "policy", resource: "poddisruptionbudgets", subresources: ["status"] },
  { group: "discovery.k8s.io", resource: "endpointslices" },
  { group: "coordination.k8s.io", resource: "leases", heartbeatsIn: "kube-node-lease" },
  { group: "scheduling.k8s.io", resource: "priorityclasses" },
  { group: "rbac.authorization.k8s.io", resource: "roles" },
  { group: "rbac.authorization.k8s.io", resource: "rolebindings" },
  { group: "rbac.authorization.k8s.io", resource: "clusterroles" },
  { group: "rbac.authorization.k8s.io", resource: "clusterrolebindings" },
  { group: "authentication.k8s.io", resource: "selfsubjectreviews" },
  { group: "authentication.k8s.io", resource: "tokenreviews" },
  { group: "authorization.k8s.io", resource: "localsubjectaccessreviews" },
  { group: "authorization.k8s.io", resource: "selfsubjectaccessreviews" },
  { group: "authorization.k8s.io", resource: "selfsubjectrulesreviews" },
  { group: "authorization.k8s.io", resource: "subjectaccessreviews" },
];

/** One version of a resource, with everything that the verbs need of it. */
export interface ServedResource extends StoredResource {
  /** With nothing but what is served. */
  readonly facts: ResourceFacts;
  readonly version: string;
  /** `v1`, `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly type: TypeFacts;
  readonly verbs: readonly Verb[];
  readonly subresources: readonly SubresourceFacts[];
  /** False for what is only asked and answered: reviews. */
  readonly stored: boolean;
  /** What is special about the kind; only for what is stored. */
  readonly strategy: Kind;
  readonly answersWithDeleted: boolean;
  readonly orphansByDefault: boolean;
  /** The namespace in which updates are heartbeats. */
  readonly heartbeatsIn: string | undefined;
}

export class ResourceTable {
  readonly all: readonly ServedResource[];
  readonly #byPath: ReadonlyMap<string, ServedResource>;
  readonly #byName: ReadonlyMap<string, ServedResource>;

  /** @param eventTtlMs how long events live after their last write; @default an hour */
  constructor({ eventTtlMs = HOUR_MS }: { eventTtlMs?: number } = {}) {
    this.all = SERVED.map((row) => serve(row.resource === "events" ? { ...row, ttlMs: eventTtlMs } : row));
    this.#byPath = new Map(this.all.map((resource) => [`${resource.apiVersion}/${resource.resource}`, resource]));
    this.#byName = new Map(this.all.map((resource) => [groupResource(resource), resource]));
  }

  /** As a path has it: `find("apps/v1", "deployments")`. */
  find(apiVersion: string, resource: string): ServedResource | undefined {
    return this.#byPath.get(`${apiVersion}/${resource}`);
  }

  /** A resource that the machinery itself uses: `get("pods")`, `get("roles.rbac.authorization.k8s.io")`. */
  get(name: string): ServedResource {
    const found = this.#byName.get(name);
    if (found === undefined) throw new TypeError(`Cannot use the resource ${name} as it must be served`);
    return found;
  }

  /** Those whose objects are stored. */
  get stored(): readonly ServedResource[] {
    return this.all.filter((resource) => resource.stored);
  }
}

function serve(row: ServedRow): ServedResource {
  const all = resourceFacts(row.group, row.resource);
  const preferred = all?.versions[0];
  const type = all === undefined || preferred === undefined ? undefined : objectType(all, preferred.version);
  if (all === undefined || preferred === undefined || type === undefined) {
    throw new TypeError(`Cannot serve ${groupResource(row)} as the facts must have it`);
  }
  const { version } = preferred;
  const subresources = (preferred.subresources ?? []).filter(({ name }) => row.subresources?.includes(name));
  const facts: ResourceFacts = { ...all, versions: [{ ...preferred, subresources }] };
  const strategy = kindOf(row.group, row.resource);
  return {
    facts,
    group: row.group,
    resource: row.resource,
    version,
    apiVersion: apiVersionOf(row.group, version),
    kind: facts.kind,
    listKind: `${facts.kind}List`,
    namespaced: facts.namespaced,
    type,
    verbs: preferred.verbs,
    subresources,
    stored: facts.storageVersion !== undefined,
    strategy,
    answersWithDeleted: row.answersWithDeleted ?? false,
    orphansByDefault: row.orphansByDefault ?? false,
    heartbeatsIn: row.heartbeatsIn,
    fieldsOf: (object: ObjectData) => strategy.selectableFields(object),
    ...(row.ttlMs !== undefined && { ttlMs: row.ttlMs }),
  };
}
