/** The admin's kubeconfig (kubernetes.io, "Organizing cluster access using kubeconfig files"). */
import { stringify } from "yaml";

export interface KubeconfigParts {
  cluster: string;
  url: string;
  /** PEM. */
  caCertificate: string;
  user: string;
  /** PEM. */
  certificate: string;
  /** PEM. */
  key: string;
}

export function renderKubeconfig({ cluster, url, caCertificate, user, certificate, key }: KubeconfigParts): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: cluster, cluster: { server: url, "certificate-authority-data": btoa(caCertificate) } }],
    users: [{ name: user, user: { "client-certificate-data": btoa(certificate), "client-key-data": btoa(key) } }],
    contexts: [{ name: cluster, context: { cluster, user } }],
    "current-context": cluster,
  });
}
