/** A whole API server without sockets: a store in, verbs out. */
import { type Clock, OpenApi, systemClock } from "@k3ts/model";
import { Admission, type AdmissionPlugin } from "./admission/admission.ts";
import { defaultTolerationSeconds } from "./admission/default_toleration_seconds.ts";
import { nodeRestriction } from "./admission/node_restriction.ts";
import { namespaceLifecycle } from "./admission/namespace_lifecycle.ts";
import { priority } from "./admission/priority.ts";
import { roleEscalation } from "./admission/role_escalation.ts";
import { serviceAccount } from "./admission/service_account.ts";
import { tokenSecret } from "./admission/token_secret.ts";
import { SERVICE_RANGES, ServiceAllocator, type ServiceRanges } from "./allocators/services.ts";
import { authenticate, type Credentials, impersonate } from "./auth/authenticate.ts";
import { Access } from "./auth/access.ts";
import { NodeAccess } from "./auth/node_access.ts";
import { NodeGraph } from "./auth/node_graph.ts";
import { RoleBasedAccess } from "./auth/rbac.ts";
import { ServiceAccountTokens, type TokenKeys } from "./auth/service_account_tokens.ts";
import type { User } from "./auth/user.ts";
import { bootstrap } from "./bootstrap/bootstrap.ts";
import type { ApiAddress } from "./bootstrap/objects.ts";
import { nodeRules } from "./bootstrap/roles.ts";
import { type ComputedGroup, ComputedGroups } from "./discovery/computed.ts";
import { Discovery } from "./discovery/discovery.ts";
import { Forms } from "./forms/forms.ts";
import type { RegistryOptions } from "./registry/options.ts";
import { Registry } from "./registry/registry.ts";
import { ResourceTable, type ServedResource } from "./resources.ts";
import type { Store, StoreWriter } from "./store/store.ts";
import type { Verbs } from "./verbs/context.ts";
import { existenceIn } from "./verbs/existence.ts";

export interface ApiServerOptions {
  store: Store;
  /** Sign and verify the tokens of service accounts. */
  tokenKeys: TokenKeys;
  /** PEM, for Secrets that hold tokens. @default they name none */
  caCertificate?: string;
  /** @default https://kubernetes.default.svc.cluster.local */
  issuer?: string;
  /** How long events live after their last write. @default an hour */
  eventTtlMs?: number;
  /** Who opens the store, for whoever is fenced by it. @default "k3ts" */
  name?: string;
  clock?: Clock;
  services?: Partial<ServiceRanges>;
  /** Where the API's own endpoints are; absent: the `kubernetes` Service has none. */
  endpoint?: NonNullable<ApiAddress["endpoint"]>;
  /** API groups that are not stored. */
  computed?: readonly ComputedGroup[];
  /** Asked after the built-in ones. */
  admission?: readonly AdmissionPlugin[];
  registry?: Omit<RegistryOptions, "allocators" | "reopen">;
  /** From 0 to 1, for names and addresses. @default Math.random */
  random?: () => number;
}

export interface ApiServer extends AsyncDisposable {
  readonly verbs: Verbs;
  readonly resources: ResourceTable;
  readonly registry: Registry<ServedResource>;
  readonly forms: Forms;
  readonly computed: ComputedGroups;
  readonly discovery: Discovery;
  readonly openapi: OpenApi;
  /** Of the store, as it was opened: its cluster and epoch. */
  readonly writer: Pick<StoreWriter, "cluster" | "epoch">;
  /** Resolves, with the reason, when another server has taken over the store: this one must end. */
  readonly lost: Promise<Error>;
  /** @throws {StatusError} 401, or 403 where somebody may not be taken for another */
  authenticate(credentials: Credentials): Promise<User>;
  /** Ends watches, finishes writes under way, and closes the store. */
  close(): Promise<void>;
}

/**
 * Opens the store, loads everything, and brings the cluster's own objects into being.
 * @throws what the store throws when it cannot be opened
 */
export async function createApiServer(options: ApiServerOptions, signal: AbortSignal): Promise<ApiServer> {
  const { clock = systemClock, random = Math.random } = options;
  const resources = new ResourceTable(options);
  const computed = new ComputedGroups(options.computed);
  const ranges = { ...SERVICE_RANGES, ...options.services };
  const openWriter = () => options.store.openWriter({ name: options.name ?? "k3ts" }, signal);
  const registry = await Registry.open(await openWriter(), resources.stored, clock, {
    ...options.registry,
    reopen: openWriter,
    allocators: new Map([["services", new ServiceAllocator(ranges, random)]]),
  });
  const { cache } = registry;
  const access = new Access(new RoleBasedAccess(cache), new NodeAccess(new NodeGraph(cache), nodeRules()));
  const issuer = options.issuer ?? "https://kubernetes.default.svc.cluster.local";
  const tokens = new ServiceAccountTokens(issuer, options.tokenKeys, clock.wall);
  const admission = new Admission([
    namespaceLifecycle(cache),
    serviceAccount(cache, random),
    tokenSecret(cache, tokens, options.caCertificate),
    defaultTolerationSeconds,
    priority(cache),
    nodeRestriction(cache, access),
    roleEscalation(access),
    ...options.admission ?? [],
  ]);
  const verbs: Verbs = { resources, registry, access, admission, tokens, clock, random };
  const address = { clusterAddress: ranges.reserved[0]!, ...(options.endpoint && { endpoint: options.endpoint }) };
  await bootstrap(address, verbs, signal);

  const existence = existenceIn(verbs);
  const close = async () => {
    await registry.close();
    await registry.writer[Symbol.asyncDispose]();
  };
  return {
    verbs,
    resources,
    registry,
    forms: new Forms(clock),
    computed,
    discovery: new Discovery(resources, computed),
    openapi: new OpenApi(resources.all.map(({ facts, version }) => ({ facts, version }))),
    writer: registry.writer,
    lost: registry.lost,
    async authenticate(credentials) {
      const caller = await authenticate(credentials, tokens, existence);
      return credentials.impersonate === undefined ? caller : impersonate(caller, credentials.impersonate, access);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
