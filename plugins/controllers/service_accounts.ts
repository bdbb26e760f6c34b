/** Sees to it that every namespace has its `default` ServiceAccount. */
import { type Namespace, resources, type ServiceAccount } from "@k3ts/model/objects";
import { type Controller, controller, create, REST } from "../sdk/mod.ts";

const NAME = "default";

export default controller<Namespace, { accounts: readonly ServiceAccount[] }>({
  name: "service-account",
  for: resources.namespaces,
  maps: {
    accounts: {
      resource: resources.serviceaccounts,
      find: (namespace, accounts) =>
        accounts.list(namespace.metadata.name).filter(({ metadata }) => metadata.name === NAME),
      wakes: (account, namespaces) =>
        account.metadata.name === NAME
          ? [namespaces.get("", account.metadata.namespace!)].filter((found) => found !== undefined)
          : [],
    },
  },
  when: (namespace) => namespace.status?.phase !== "Terminating",
  plan: ({ object, accounts }) =>
    accounts.length > 0 ? REST : {
      actions: [
        create(resources.serviceaccounts, {
          apiVersion: "v1",
          kind: "ServiceAccount",
          metadata: { name: NAME, namespace: object.metadata.name },
        }),
      ],
    },
}) satisfies Controller;
