/** An API server in memory, with authorisation on, and typed clients of anybody. */
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import {
  type ApiServer,
  authenticatedUser,
  createApiServer,
  generateTokenKey,
  MemoryStore,
  routeResources,
  serviceAccountOf,
  serviceAccountUser,
  type User,
} from "@k3ts/api";
import { createResourceClient, type ResourceClients, waitFor } from "@k3ts/client";
import {
  type Clock,
  type ClusterRole,
  type ClusterRoleBinding,
  type KubernetesObject,
  type PolicyRule,
  type ResourceRef,
  resources,
  systemClock,
} from "@k3ts/model/objects";

export interface TestClusterOptions {
  /** A `FakeClock` of `@k3ts/model/testing` stands still until the test moves it. @default real time */
  clock?: Clock;
  /** ms that anything may be waited for. @default 20,000 */
  patienceMs?: number;
}

export interface TestCluster extends AsyncDisposable {
  readonly server: ApiServer;
  readonly clock: Clock;
  /** Fires when the cluster is disposed of. */
  readonly signal: AbortSignal;
  /** Speak as an administrator. */
  readonly clients: ResourceClients;
  /** Clients of a user with the rights that the cluster's roles give: `system:serviceaccount:kube-system:x`. */
  as(user: string, groups?: readonly string[]): ResourceClients;
  transport(user: string, groups?: readonly string[]): Transport;
  /** Gives a user rights in the whole cluster, beside those that the cluster's roles give. */
  grant(user: string, rules: readonly PolicyRule[]): Promise<void>;
  /**
   * Resolves with the object once the condition holds; undefined stands for one that does not exist.
   * @throws when that takes too long, saying what the object was like at last
   */
  until<T extends KubernetesObject>(
    resource: ResourceRef<T>,
    target: { namespace?: string; name: string },
    condition: (object: T | undefined) => boolean,
  ): Promise<T>;
  /** The same for all objects of a resource. */
  untilAll<T extends KubernetesObject>(
    resource: ResourceRef<T>,
    namespace: string | undefined,
    condition: (objects: T[]) => boolean,
  ): Promise<T[]>;
}

const PATIENCE_MS = 20_000;

/** `await using cluster = await testCluster()`. */
export async function testCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { clock = systemClock, patienceMs = PATIENCE_MS } = options;
  const ending = new AbortController();
  const server = await createApiServer({
    store: new MemoryStore(),
    tokenKeys: await generateTokenKey("test"),
    clock,
  }, ending.signal);
  const transportOf = (user: User) => createRouterTransport((router) => routeResources(router, server, () => user));
  const transport = (name: string, groups?: readonly string[]) => transportOf(userOf(name, groups));
  const as = (name: string, groups?: readonly string[]) => createResourceClient(transport(name, groups));
  const clients = as("admin", ["system:masters"]);

  async function patiently<R>(wait: (signal: AbortSignal) => Promise<R>, describe: () => string): Promise<R> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(describe())), patienceMs);
    try {
      return await wait(AbortSignal.any([ending.signal, late.signal]));
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    server,
    clock,
    signal: ending.signal,
    clients,
    as,
    transport,
    grant: (user, rules) => grant(clients, user, rules),
    until(resource, { namespace, name }, condition) {
      let last: unknown;
      const look = (object: Parameters<typeof condition>[0]) => condition(last = object as typeof object);
      return patiently(
        (signal) => waitFor(clients.of(resource), name, look, { namespace, signal }),
        () => `Cannot wait for ${resource.kind} "${name}" any longer: it is ${JSON.stringify(last, undefined, 2)}`,
      );
    },
    untilAll(resource, namespace, condition) {
      let last: readonly KubernetesObject[] = [];
      return patiently(
        (signal) => untilAll(clients, resource, namespace, (all) => condition(last = all), signal),
        () => `Cannot wait for all ${resource.resource} any longer: they are ${JSON.stringify(last, undefined, 2)}`,
      );
    },
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("the test has ended"));
      await server.close();
    },
  };
}

async function grant(clients: ResourceClients, user: string, rules: readonly PolicyRule[]): Promise<void> {
  const apiGroup = "rbac.authorization.k8s.io";
  const apiVersion = `${apiGroup}/v1`;
  const name = `test-${crypto.randomUUID()}`;
  await clients.of<ClusterRole>(resources.clusterroles).create({
    apiVersion,
    kind: "ClusterRole",
    metadata: { name },
    rules: [...rules],
  });
  await clients.of<ClusterRoleBinding>(resources.clusterrolebindings).create({
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup, kind: "ClusterRole", name },
    subjects: [{ apiGroup, kind: "User", name: user }],
  });
}

function userOf(name: string, groups: readonly string[] = []): User {
  const account = serviceAccountOf({ name, groups: [] });
  return account === undefined ? authenticatedUser(name, groups) : serviceAccountUser(account.namespace, account.name);
}

/** Lists once, then follows the watch, so that no state is missed and none is asked for twice. */
async function untilAll<T extends KubernetesObject>(
  clients: ResourceClients,
  resource: ResourceRef<T>,
  namespace: string | undefined,
  condition: (objects: T[]) => boolean,
  signal: AbortSignal,
): Promise<T[]> {
  const client = clients.of<T>(resource);
  const { items, resourceVersion } = await client.list({ namespace, signal });
  const objects = new Map(items.map((object) => [object.metadata.uid, object]));
  const met = () => condition([...objects.values()]);
  if (met()) return [...objects.values()];
  for await (const { type, object } of client.watch({ namespace, resourceVersion, signal })) {
    if (type === "DELETED") objects.delete(object.metadata.uid);
    else if (type !== "BOOKMARK") objects.set(object.metadata.uid, object);
    if (met()) break;
  }
  return [...objects.values()];
}
