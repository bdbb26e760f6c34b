/** The version of this server, and of the Kubernetes API that it serves. */
export const VERSION = "0.1.0";
export const KUBERNETES_VERSION = "v1.35.4";
