/** Gives every pod a service account, and a token for it that its node renews. */
import { type ApiObject, cloneJson, randomSuffix } from "@k3ts/model";
import { MIRROR_POD } from "../auth/pod_references.ts";
import type { Cache } from "../cache/cache.ts";
import { parseObject } from "../registry/stored_object.ts";
import { forbidden } from "../status.ts";
import { type AdmissionPlugin, concerns } from "./admission.ts";

const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** An hour and a bit, by which nodes know that this token is of the ordinary kind. */
const TOKEN_SECONDS = 3607;
const ACCOUNTS = { group: "", resource: "serviceaccounts" };

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

interface Container {
  name: string;
  volumeMounts?: Mount[];
}

interface PodData extends ApiObject {
  spec: {
    serviceAccountName?: string;
    serviceAccount?: string;
    automountServiceAccountToken?: boolean;
    imagePullSecrets?: { name?: string }[];
    volumes?: object[];
    containers: Container[];
    initContainers?: Container[];
  };
}

interface AccountData extends ApiObject {
  automountServiceAccountToken?: boolean;
  imagePullSecrets?: { name?: string }[];
}

export function serviceAccount(cache: Cache, random: () => number): AdmissionPlugin {
  return {
    name: "ServiceAccount",
    mutate(request) {
      if (request.operation !== "CREATE" || !concerns(request, "", "pods")) return;
      const pod = request.object as PodData;
      // A static pod is its node's affair.
      if (pod.metadata.annotations?.[MIRROR_POD] !== undefined || !pod.spec) return;
      pod.spec.serviceAccountName ||= "default";
      const { serviceAccountName: name } = pod.spec;
      const stored = cache.get(ACCOUNTS, request.namespace, name);
      if (stored === undefined) {
        throw forbidden(
          request.resource,
          request.name,
          `error looking up service account ${request.namespace}/${name}: serviceaccount ${
            JSON.stringify(name)
          } not found`,
        );
      }
      const account = parseObject<AccountData>(stored);
      if (wantsToken(pod, account)) mountToken(pod, random);
      if ((pod.spec.imagePullSecrets ?? []).length === 0 && account.imagePullSecrets !== undefined) {
        pod.spec.imagePullSecrets = cloneJson(account.imagePullSecrets);
      }
    },
  };
}

function wantsToken(pod: PodData, account: AccountData): boolean {
  return pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
}

function mountToken({ spec }: PodData, random: () => number): void {
  const containers = [...spec.initContainers ?? [], ...spec.containers ?? []];
  const lacking = containers.filter((container) =>
    !container.volumeMounts?.some(({ mountPath }) => mountPath === MOUNT_PATH)
  );
  if (lacking.length === 0) return;
  const name = VOLUME_PREFIX + randomSuffix(random);
  for (const container of lacking) {
    container.volumeMounts = [...container.volumeMounts ?? [], { name, readOnly: true, mountPath: MOUNT_PATH }];
  }
  spec.volumes = [...spec.volumes ?? [], { name, projected: { sources: sources(), defaultMode: 420 } }];
}

function sources(): object[] {
  return [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: {
        items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
      },
    },
  ];
}
