/** Image layers and mounts. */
import { type Client, createClient } from "@connectrpc/connect";
import { ImageService } from "@k3ts/proto";
import type { Native } from "./native.ts";

export type Images = Client<typeof ImageService>;

/** The calls of ImageService. Nothing has to be closed: they are as long-lived as `native`. */
export function openImages(native: Pick<Native, "transport">): Images {
  return createClient(ImageService, native.transport);
}
