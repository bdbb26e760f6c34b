/** Images for root on this machine only: what the gateway sends bears an identity, and finds nothing here. */
import type { IncomingMessage } from "node:http";
import { explain } from "@k3ts/client/telemetry";
import type { Images } from "../images/images.ts";
import type { Image } from "../images/index.ts";
import { type Answer, jsonAnswer, textAnswer } from "./answer.ts";

export interface ImagePageParts {
  images: Images;
  /** Told when images were imported. */
  imagesChanged(): void;
}

/** @returns undefined when the path is another's */
export async function imagePages(
  { images, imagesChanged }: ImagePageParts,
  { method, headers }: IncomingMessage,
  url: URL,
): Promise<Answer | undefined> {
  if (headers["k3ts-identity"] !== undefined) return undefined;
  if (method === "GET" && url.pathname === "/images") return jsonAnswer(200, images.index.list().flatMap(rowsOf));
  if (url.pathname !== "/images/import") return undefined;
  const path = url.searchParams.get("path");
  if (method !== "POST" || path === null) {
    return textAnswer(400, "Cannot import as the request must be POST /images/import?path=...");
  }
  try {
    const imported = await images.import(path, url.searchParams.get("name") ?? undefined);
    imagesChanged();
    return jsonAnswer(200, imported.flatMap(rowsOf));
  } catch (error) {
    return textAnswer(400, explain(error));
  }
}

/** A row for each name, as `k3ts image list` shows them. */
function rowsOf(image: Image): { reference: string; digest: string; size: number }[] {
  return image.names.map((reference) => ({ reference, digest: image.id, size: image.sizeBytes }));
}
