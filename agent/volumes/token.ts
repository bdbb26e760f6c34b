/** Tokens of service accounts (authentication/v1 TokenRequest). */
import type { ResourceClients } from "@k3ts/client";
import { type authenticationV1, type Pod, resources, type ServiceAccount } from "@k3ts/model/objects";
import type { TokenRequest } from "./plan.ts";

/** Bound to the pod: it is worth nothing once the pod is gone. */
export async function requestToken(clients: ResourceClients, pod: Pod, request: TokenRequest): Promise<string> {
  const account = pod.spec?.serviceAccountName ?? "default";
  const answer = await clients.of<ServiceAccount>(resources.serviceaccounts).createSubresource<
    authenticationV1.TokenRequest
  >(
    account,
    {
      namespace: pod.metadata.namespace ?? "default",
      subresource: "token",
      timeoutMs: 10_000,
      object: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: request.audience === "" ? [] : [request.audience],
          expirationSeconds: request.expirationSeconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid },
        },
      },
    },
  );
  const token = answer.status?.token;
  if (token === undefined || token === "") {
    throw new Error(
      `Cannot mount a token of service account "${account}" as the server must give one: its answer has none`,
    );
  }
  return token;
}
