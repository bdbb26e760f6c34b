/** What this node knows without asking anybody: objects that the server has said, and images. */
import type { Log } from "@k3ts/client/telemetry";
import type { EndpointSlice, Pod, Service } from "@k3ts/model/objects";
import type { Files } from "./file_steps.ts";
import { type ImageNative, Images } from "./images/images.ts";
import type { Paths } from "./paths.ts";
import { ReferenceWatch } from "./sync/reference_watch.ts";
import { SavedObjects } from "./sync/saved_objects.ts";

export interface Saved {
  pods: SavedObjects<Pod>;
  services: SavedObjects<Service>;
  slices: SavedObjects<EndpointSlice>;
  references: ReferenceWatch;
  images: Images;
}

/** Reads it all from disk. */
export async function openSaved(paths: Paths, native: ImageNative & Files, log: Log): Promise<Saved> {
  const saved: Saved = {
    pods: new SavedObjects(`${paths.state}/pods`, native, log),
    services: new SavedObjects(`${paths.state}/services`, native, log),
    slices: new SavedObjects(`${paths.state}/endpointslices`, native, log),
    references: new ReferenceWatch(`${paths.state}/references`, log),
    images: new Images(paths.images, native, paths.registries),
  };
  await Promise.all(Object.values(saved).map((one) => one.open()));
  return saved;
}
