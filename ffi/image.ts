/** Image layers and mounts. */
import { type Client, createClient } from "@connectrpc/connect";
import { ImageService } from "@k3ts/proto";
import type { Native } from "./native.ts";

export type Images = Client<typeof ImageService>;

export function openImages(native: Pick<Native, "transport">): Images {
  return createClient(ImageService, native.transport);
}
