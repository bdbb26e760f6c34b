/**
 * Lists, made of what is stored by copying it, in pieces that are made when the client has taken the ones before: a
 * large list neither holds up the event loop nor is ever in memory twice.
 */
import { concatBytes, encodeYaml, listFrame } from "@k3ts/model";
import type { ListPage } from "../cache/resource_cache.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import type { Forms } from "./forms.ts";
import { partialMetadata } from "./partial_metadata.ts";
import { type IncludeObject, tableOf } from "./table.ts";

/** Objects of one piece. */
const PIECE_OBJECTS = 32;
/** YAML takes long to write: more at once would hold up others. */
const YAML_PIECE_OBJECTS = 4;

const encoder = new TextEncoder();
const NOTHING = new Uint8Array();
const COMMA = encoder.encode(",");
const TAIL = encoder.encode("]}\n");

/** meta/v1 ListMeta. */
export function listMetadata(page: ListPage): {
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
} {
  return {
    resourceVersion: String(page.revision),
    ...(page.continue !== undefined && { continue: page.continue }),
    ...(page.remaining !== undefined && { remainingItemCount: page.remaining }),
  };
}

export function jsonList({ listKind, apiVersion }: ServedResource, page: ListPage): Generator<Uint8Array> {
  return jsonPieces(
    { kind: listKind, apiVersion, metadata: listMetadata(page) },
    "items",
    page,
    (piece) => piece.map(({ json }) => json),
  );
}

/** PartialObjectMetadataList. */
export function metadataList(page: ListPage): Generator<Uint8Array> {
  const head = { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: listMetadata(page) };
  return jsonPieces(
    head,
    "items",
    page,
    (piece) => piece.map((object) => encoder.encode(JSON.stringify(partialMetadata(parseObject(object))))),
  );
}

/** @param now ms since the epoch, for ages */
export function tableList(
  resource: ServedResource,
  page: ListPage,
  include: IncludeObject,
  now: number,
): Generator<Uint8Array> {
  const { rows: _, ...head } = tableOf(resource, [], include, now, "");
  return jsonPieces({ ...head, metadata: listMetadata(page) }, "rows", page, (piece) => {
    const { rows } = tableOf(resource, piece, include, now, "");
    return rows.map((row) => encoder.encode(JSON.stringify(row)));
  });
}

/** A JSON object whose last member is a list that is made a piece at a time. */
function* jsonPieces(
  head: object,
  member: string,
  page: ListPage,
  encode: (piece: readonly StoredObject[]) => Uint8Array[],
): Generator<Uint8Array> {
  yield encoder.encode(`${JSON.stringify(head).slice(0, -1)},"${member}":[`);
  let first = true;
  for (const piece of inPieces(page.objects)) {
    const parts = encode(piece).flatMap((part) => [COMMA, part]);
    if (first) parts.shift();
    first = false;
    yield concatBytes(parts);
  }
  yield TAIL;
}

/** As `encodeYaml` would write the whole, but for the items' indentation, which is Kubernetes's own. */
export function* yamlList({ listKind, apiVersion }: ServedResource, page: ListPage): Generator<Uint8Array> {
  const tail = encodeYaml({ kind: listKind, metadata: listMetadata(page) });
  if (page.objects.length === 0) return yield encoder.encode(`apiVersion: ${apiVersion}\nitems: []\n${tail}`);
  yield encoder.encode(`apiVersion: ${apiVersion}\nitems:\n`);
  for (const piece of inPieces(page.objects, YAML_PIECE_OBJECTS)) {
    yield encoder.encode(encodeYaml(piece.map((object) => parseObject(object))));
  }
  yield encoder.encode(tail);
}

export function* protobufList(resource: ServedResource, page: ListPage, forms: Forms): Generator<Uint8Array> {
  const { listKind, apiVersion } = resource;
  // The length of the whole goes first, so every message is made before any is sent; they are held until then.
  const messages: Uint8Array[] = [];
  for (const piece of inPieces(page.objects)) {
    for (const object of piece) messages.push(forms.message(resource, object));
    yield NOTHING; // somebody else's turn
  }
  const frame = listFrame(apiVersion, listKind, listMetadata(page), messages.map((message) => message.length));
  yield frame.head;
  for (const piece of inPieces(messages)) {
    yield concatBytes(piece.flatMap((message) => [frame.itemHead(message.length), message]));
  }
  yield frame.tail;
}

function* inPieces<T>(items: readonly T[], count = PIECE_OBJECTS): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += count) yield items.slice(from, from + count);
}

/** How large a list is in JSON, near enough to decide whether to compress it. */
export function listBytes(objects: readonly StoredObject[]): number {
  let bytes = 0;
  for (const object of objects) bytes += object.json.length + 1;
  return bytes;
}
