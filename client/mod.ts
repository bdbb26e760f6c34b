/**
 * Kubernetes objects for programs: typed clients over any Connect transport, copies that stay up to date, retries.
 *
 * ```ts
 * const pods = createResourceClient(transport).of(resources.pods);
 * const informer = new Informer(pods, { fieldSelector: "spec.nodeName=n1" });
 * informer.start(signal);
 * await informer.synced;
 * ```
 */
export { backoffMs, type BackoffOptions, delay, Pause } from "./backoff.ts";
export {
  ApiError,
  isAlreadyExists,
  isConflict,
  isExpired,
  isForbidden,
  isInvalid,
  isNotFound,
  isResourceVersionTooLarge,
  isUnauthorized,
  isUnavailable,
  type Status,
  type StatusDetails,
} from "./errors.ts";
export { createHttp2Transport, type Http2Transport, type Http2TransportOptions } from "./http2_transport.ts";
export { type ChangeHandler, type Index, Informer, type InformerOptions } from "./informer.ts";
export { type ClusterAccess, type KubeconfigOptions, loadKubeconfig } from "./kubeconfig.ts";
export { type KeyPair, readKeyPair, renewalAt, replaceKeyPair, type Validity, validityOf } from "./key_pair.ts";
export { createRenewableTransport, type RenewableTransport } from "./renewable_transport.ts";
export { createResourceClient } from "./resources.ts";
export { retryOnConflict, type RetryOptions } from "./retry.ts";
export type * from "./types.ts";
export { waitFor, type WaitOptions } from "./wait_for.ts";
