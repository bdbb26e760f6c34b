/** Publishes the cluster's CA in every namespace, as the ConfigMap by which pods know the API server. */
import { type ConfigMap, type Namespace, resources } from "@k3ts/model/objects";
import { type Controller, controller, create, REST, update } from "../sdk/mod.ts";

const NAME = "kube-root-ca.crt";
const KEY = "ca.crt";
const DESCRIPTION = {
  "kubernetes.io/description": "Contains the CA certificate by which the API server of this cluster is verified.",
};

/** @param caCertificate PEM */
export default function rootCa(caCertificate: string): Controller {
  return controller<Namespace, { maps: readonly ConfigMap[] }>({
    name: "root-ca",
    user: "system:serviceaccount:kube-system:root-ca-cert-publisher",
    for: resources.namespaces,
    maps: {
      maps: {
        resource: resources.configmaps,
        find: (namespace, all) => all.list(namespace.metadata.name).filter(({ metadata }) => metadata.name === NAME),
        wakes: (map, namespaces) =>
          map.metadata.name === NAME
            ? [namespaces.get("", map.metadata.namespace!)].filter((found) => found !== undefined)
            : [],
      },
    },
    when: (namespace) => namespace.status?.phase !== "Terminating",
    plan: ({ object, maps: [existing] }) => {
      const resource = resources.configmaps;
      const data = { [KEY]: caCertificate };
      if (existing === undefined) {
        const metadata = { name: NAME, namespace: object.metadata.name, annotations: DESCRIPTION };
        return { actions: [create(resource, { apiVersion: "v1", kind: "ConfigMap", metadata, data })] };
      }
      if (existing.data?.[KEY] === caCertificate) return REST;
      return { actions: [update(resource, existing, { data })] };
    },
  });
}
