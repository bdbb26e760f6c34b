/** What the store takes, and what the API holds of it. */
import type { ApiServer, Batch, Store, StoreWriter } from "@k3ts/api";
import type { Metrics } from "@k3ts/client/telemetry";

/** A store whose writes are timed. */
export function timedStore(store: Store, metrics: Metrics): Store {
  const seconds = metrics.histogram("k3ts_store_commit_duration_seconds", "Time until a batch of writes was durable.");
  const changes = metrics.histogram(
    "k3ts_store_commit_changes",
    "Writes that one commit made durable.",
    [],
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
  );
  const failures = metrics.counter("k3ts_store_commit_failures_total", "Commits whose outcome is not known.");
  return {
    openReader: (signal) => store.openReader(signal),
    async openWriter(who, signal): Promise<StoreWriter> {
      const writer = await store.openWriter(who, signal);
      return new Proxy(writer, {
        get(target, name) {
          if (name === "append") return append;
          const value = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });

      async function append(batch: Batch): Promise<void> {
        const started = performance.now();
        try {
          await writer.append(batch);
        } catch (error) {
          failures.add();
          throw error;
        }
        seconds.observe((performance.now() - started) / 1000);
        changes.observe(batch.changes.length);
      }
    },
  };
}

export function keepCacheMetrics({ registry, resources }: ApiServer, metrics: Metrics): void {
  const objects = metrics.gauge("apiserver_storage_objects", "Objects that are stored.", "resource");
  const watches = metrics.gauge("apiserver_longrunning_requests", "Watches that are open.", "verb");
  const revision = metrics.gauge("k3ts_store_revision", "Of the newest visible write.");
  const failed = metrics.gauge("k3ts_store_failed", "1 while the store takes no writes.");
  metrics.onCollect(() => {
    objects.clear();
    for (const resource of resources.stored) {
      const { group } = resource;
      const name = group === "" ? resource.resource : `${resource.resource}.${group}`;
      objects.set(registry.cache.of(resource).index.size, { resource: name });
    }
    watches.set(registry.cache.watchCount, { verb: "WATCH" });
    revision.set(registry.cache.revision);
    failed.set(registry.failure === undefined ? 0 : 1);
  });
}
