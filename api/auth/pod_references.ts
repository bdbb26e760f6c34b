/**
 * What a pod refers to by name in its own namespace, and so what its node may read for it. Pure.
 * Follows k8s.io/kubernetes `pkg/api/v1/pod` VisitPodSecretNames and VisitPodConfigmapNames (1.35).
 */
import type { Container, EphemeralContainer, Pod, Volume } from "@k3ts/model";

/** Resources of which a node may read what its pods refer to. */
export type ReferredResource =
  | "configmaps"
  | "secrets"
  | "serviceaccounts"
  | "persistentvolumeclaims"
  | "resourceclaims";

export interface PodReference {
  resource: ReferredResource;
  name: string;
}

export const MIRROR_POD = "kubernetes.io/config.mirror";

/** Each once. None for a mirror pod: a node that makes one must not gain anything by it. */
export function podReferences(pod: Pod): PodReference[] {
  if (pod.metadata.annotations?.[MIRROR_POD] !== undefined) return [];
  const found = new Map<string, PodReference>();
  const add = (resource: ReferredResource, name: string | undefined) => {
    if (name !== undefined && name !== "") found.set(`${resource}/${name}`, { resource, name });
  };
  const { spec, status } = pod;
  add("serviceaccounts", spec?.serviceAccountName);
  for (const { name } of spec?.imagePullSecrets ?? []) add("secrets", name);
  for (const container of allContainers(pod)) addOfContainer(container, add);
  for (const volume of spec?.volumes ?? []) addOfVolume(volume, pod.metadata.name, add);
  for (const { name, resourceClaimName } of spec?.resourceClaims ?? []) {
    const made = status?.resourceClaimStatuses?.find((one) => one.name === name)?.resourceClaimName;
    add("resourceclaims", resourceClaimName ?? made);
  }
  add("resourceclaims", status?.extendedResourceClaimStatus?.resourceClaimName);
  return [...found.values()];
}

type Add = (resource: ReferredResource, name: string | undefined) => void;

function allContainers({ spec }: Pod): (Container | EphemeralContainer)[] {
  return [...spec?.initContainers ?? [], ...spec?.containers ?? [], ...spec?.ephemeralContainers ?? []];
}

function addOfContainer({ env = [], envFrom = [] }: Container | EphemeralContainer, add: Add): void {
  for (const { configMapRef, secretRef } of envFrom) {
    add("configmaps", configMapRef?.name);
    add("secrets", secretRef?.name);
  }
  for (const { valueFrom } of env) {
    add("configmaps", valueFrom?.configMapKeyRef?.name);
    add("secrets", valueFrom?.secretKeyRef?.name);
  }
}

function addOfVolume(volume: Volume, podName: string, add: Add): void {
  add("configmaps", volume.configMap?.name);
  add("secrets", volume.secret?.secretName);
  for (const { configMap, secret } of volume.projected?.sources ?? []) {
    add("configmaps", configMap?.name);
    add("secrets", secret?.name);
  }
  add("secrets", volume.azureFile?.secretName);
  for (const  of of[volume.cephfs, volume.cinder, volume.flexVolume, volume.rbd, volume.scaleIO, volume.iscsi]) {
    add("secrets", of?.secretRef?.name);
  }
  add("secrets", volume.storageos?.secretRef?.name);
  add("secrets", volume.csi?.nodePublishSecretRef?.name);
  add("persistentvolumeclaims", volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral !== undefined) add("persistentvolumeclaims", `${podName}-${volume.name}`);
}

/** Which objects of the API a pod needs, in the words of refusals; undefined when none (`HasAPIObjectReference`). */
export function apiObjectsOf({ metadata, ...rest }: Pod): string | undefined {
  const unmarked: Pod = { ...rest, metadata: { ...metadata, annotations: {} } };
  const resources = new Set(podReferences(unmarked).map(({ resource }) => resource));
  if ((rest.spec?.resourceClaims ?? []).length > 0) resources.add("resourceclaims");
  const order: ReferredResource[] = [
    "serviceaccounts",
    "secrets",
    "configmaps",
    "resourceclaims",
    "persistentvolumeclaims",
  ];
  const found = order.find((resource) => resources.has(resource));
  if (found !== undefined) return found;
  for (const { csi, glusterfs, projected } of rest.spec?.volumes ?? []) {
    if (csi !== undefined) return "csidrivers (via CSI volumes)";
    if (glusterfs !== undefined) return "endpoints (via glusterFS volumes)";
    for (const { serviceAccountToken, clusterTrustBundle, podCertificate } of projected?.sources ?? []) {
      if (serviceAccountToken !== undefined) return "serviceaccounts (via projected volumes)";
      if (clusterTrustBundle !== undefined) return "clustertrustbundles";
      if (podCertificate !== undefined) return "podcertificates";
    }
  }
  return undefined;
}
