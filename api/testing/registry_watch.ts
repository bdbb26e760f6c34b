import { type EncodedEvent, JSON_FORM } from "../cache/encoding.ts";
import type { Registry } from "../registry/registry.ts";
import type { ObjectData, StoredResource } from "../registry/stored_object.ts";

/** What a watch of a resource is sent: type, name and revision. Grows as it is sent more. */
export function watchedNames(registry: Registry, resource: StoredResource, after: number): string[] {
  const seen: string[] = [];
  const sink = {
    room: () => 1,
    send: (events: readonly EncodedEvent[]) => {
      for (const { type, object } of events) {
        const { metadata }: ObjectData = JSON.parse(new TextDecoder().decode(object));
        seen.push(`${type} ${metadata.name} ${metadata.resourceVersion}`);
      }
    },
    end: () => {},
  };
  const bookmark = () => {
    throw new Error("no bookmark was asked for");
  };
  const options = {
    user: "",
    scope: {},
    form: JSON_FORM,
    from: { after },
    bookmarks: false,
    marksInitialEnd: false,
    bookmark,
  };
  registry.cache.watch(resource, options, sink).resume();
  return seen;
}

/** Lets everything happen that waits for nothing outside. */
export async function settleTurns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
}
