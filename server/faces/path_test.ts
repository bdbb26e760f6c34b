import { deepEqual, throws } from "node:assert/strict";
import { StatusError } from "@k3ts/api";
import { parseApiPath } from "./path.ts";

Deno.test("paths are taken apart as Kubernetes does", () => {
  const cases: [string, string[]][] = [
    ["/api/v1/pods", ["v1", "pods", "", "", ""]],
    ["/api/v1/namespaces", ["v1", "namespaces", "", "", ""]],
    ["/api/v1/namespaces/a", ["v1", "namespaces", "", "a", ""]],
    ["/api/v1/namespaces/a/finalize", ["v1", "namespaces", "", "a", "finalize"]],
    ["/api/v1/namespaces/a/status", ["v1", "namespaces", "", "a", "status"]],
    ["/api/v1/namespaces/a/pods", ["v1", "pods", "a", "", ""]],
    ["/api/v1/namespaces/a/pods/b/log", ["v1", "pods", "a", "b", "log"]],
    ["/apis/apps/v1/namespaces/a/deployments/b", ["apps/v1", "deployments", "a", "b", ""]],
    [
      "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
      ["rbac.authorization.k8s.io/v1", "clusterroles", "", "system:node", ""],
    ],
  ];
  for (const [path, [apiVersion, resource, namespace, name, subresource]] of cases) {
    deepEqual(parseApiPath(path), { type: "resource", apiVersion, resource, namespace, name, subresource }, path);
  }
});

Deno.test("what names no resource is another document", () => {
  for (const path of ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/version", "/openapi/v3/api/v1"]) {
    deepEqual(parseApiPath(path), { type: "other", path });
  }
});

Deno.test("a path that is no percent-encoding is a bad request", () => {
  throws(() => parseApiPath("/api/v1/%zz"), (error) => error instanceof StatusError && error.status.code === 400);
});
