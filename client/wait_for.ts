import type { BackoffOptions } from "./backoff.ts";
import { Informer } from "./informer.ts";
import type { KubernetesObject, ResourceClient } from "./types.ts";

export interface WaitOptions {
  namespace?: string;
  /** Without one the wait may last for ever. */
  signal?: AbortSignal;
  backoff?: BackoffOptions;
  /** Told of failures, which are retried. @default nobody is */
  onError?: (error: Error) => void;
}

/**
 * Resolves with the object once a condition holds for it; undefined stands for an object that does not exist.
 * @throws the signal's reason, or what the condition throws
 */
export async function waitFor<T extends KubernetesObject, R extends T | undefined>(
  client: ResourceClient<T>,
  name: string,
  condition: ((object: T | undefined) => object is R) | ((object: T | undefined) => boolean),
  options: WaitOptions = {},
): Promise<R> {
  const { namespace, signal, backoff, onError = () => {} } = options;
  const done = new AbortController();
  const informer = new Informer(client, { namespace, fieldSelector: `metadata.name=${name}`, backoff, onError });
  const met = Promise.withResolvers<R>();
  const look = () => {
    try {
      const object = informer.get(namespace ?? "", name);
      if (condition(object)) met.resolve(object as R);
    } catch (error) {
      met.reject(error);
    }
  };
  informer.synced.then(() => {
    informer.onChange(look);
    look();
  }, met.reject);
  signal?.addEventListener("abort", () => met.reject(signal.reason), { signal: done.signal });
  const running = informer.start(signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]));
  try {
    return await met.promise;
  } finally {
    done.abort();
    await running;
  }
}
