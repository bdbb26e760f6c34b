/** Replies of the verbs, as HTTP responses. */
import {
  type ApiServer,
  type ApiValue,
  jsonList,
  listBytes,
  metadataList,
  protobufList,
  type Reply,
  type Status,
  tableList,
  yamlList,
} from "@k3ts/api";
import { setImmediate } from "node:timers";
import { concatBytes, encodeProtobuf, encodeYaml, parseApiVersion, typeFacts } from "@k3ts/model";
import { JSON_TYPE, PROTOBUF_TYPE, type Wanted, YAML_TYPE } from "./negotiation.ts";

/** Lists of more bytes are compressed for who takes that. */
const COMPRESS_BYTES_MIN = 128 * 1024;
/** Lists of fewer bytes are sent as one. */
const WHOLE_BYTES_MAX = 64 * 1024;
/** Lists of more bytes are not indented. */
const PRETTY_BYTES_MAX = 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the client has said of how it wants the answer. */
export interface ReplyStyle {
  wanted: Wanted;
  /** For people: indented. */
  pretty: boolean;
  /** Takes gzip. */
  gzip: boolean;
}

export function respond(reply: Reply, style: ReplyStyle, server: ApiServer): Response {
  switch (reply.type) {
    case "list":
      return respondList(reply, style, server);
    case "value":
      return respondValue(reply.value, reply.code, style, reply.warnings);
    case "object": {
      const { wanted } = style;
      const choice = wanted.as === "yaml" ? { as: "json" as const } : wanted;
      const bytes = server.forms.of(reply.resource, choice).encode(reply.object);
      return respondBytes(bytes, reply.code, style, reply.warnings);
    }
  }
}

/** A refusal: always JSON, which every client reads. */
export function respondStatus(status: Status, style: Pick<ReplyStyle, "pretty"> = { pretty: false }): Response {
  const seconds = status.details?.retryAfterSeconds;
  const text = JSON.stringify(status, null, style.pretty ? 2 : undefined);
  return new Response(text + (style.pretty ? "\n" : ""), {
    status: status.code,
    headers: { ...headersOf(JSON_TYPE), ...(seconds !== undefined && { "retry-after": String(seconds) }) },
  });
}

function respondValue(
  value: ApiValue,
  code: number,
  style: ReplyStyle,
  warnings: readonly string[] = [],
): Response {
  if (style.wanted.as === "protobuf") {
    const { group, version } = parseApiVersion(value.apiVersion);
    const type = typeFacts(group, version, value.kind);
    if (type !== undefined) return respondBytes(encodeProtobuf(value, type), code, style, warnings);
  }
  const wanted: Wanted = style.wanted.as === "yaml" ? style.wanted : { as: "json" };
  return respondBytes(encoder.encode(JSON.stringify(value)), code, { ...style, wanted }, warnings);
}

/** @param bytes JSON, or protobuf where that is wanted */
function respondBytes(bytes: Uint8Array, code: number, style: ReplyStyle, warnings: readonly string[]): Response {
  const { wanted, pretty } = style;
  const headers = new Headers(headersOf(contentTypeOf(wanted)));
  for (const warning of warnings) headers.append("warning", `299 - ${JSON.stringify(warning)}`);
  return new Response(inStyle(bytes, wanted, pretty), { status: code, headers });
}

function inStyle(bytes: Uint8Array, wanted: Wanted, pretty: boolean): BodyInit {
  if (wanted.as === "yaml") return encodeYaml(JSON.parse(decoder.decode(bytes)));
  if (pretty && wanted.as !== "protobuf") return JSON.stringify(JSON.parse(decoder.decode(bytes)), null, 2) + "\n";
  return bytes as BodyInit;
}

function respondList(reply: Reply & { type: "list" }, style: ReplyStyle, server: ApiServer): Response {
  const { wanted, pretty } = style;
  const bytes = listBytes(reply.page.objects);
  const pieces = listPieces(reply, wanted, server);
  // Indenting needs the whole, and nobody reads what is large.
  const indent = pretty && bytes < PRETTY_BYTES_MAX && wanted.as !== "yaml" && wanted.as !== "protobuf";
  if (indent || (bytes < WHOLE_BYTES_MAX && wanted.as !== "yaml")) {
    return respondBytes(concatBytes([...pieces]), 200, style, []);
  }
  const headers = headersOf(contentTypeOf(wanted));
  const stream = streamOf(pieces);
  if (!style.gzip || bytes < COMPRESS_BYTES_MIN) return new Response(stream, { headers });
  return new Response(stream.pipeThrough(new CompressionStream("gzip")), {
    headers: { ...headers, "content-encoding": "gzip", vary: "accept-encoding" },
  });
}

function listPieces(
  { resource, page }: Reply & { type: "list" },
  wanted: Wanted,
  { forms, verbs }: ApiServer,
): Generator<Uint8Array> {
  switch (wanted.as) {
    case "protobuf":
      return protobufList(resource, page, forms);
    case "table":
      return tableList(resource, page, wanted.include, verbs.clock.wall());
    case "metadata":
      return metadataList(page);
    case "yaml":
      return yamlList(resource, page);
    default:
      return jsonList(resource, page);
  }
}

/** Each piece is made when there is room for it, and after everybody else's turn. */
function streamOf(pieces: Generator<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      let next: IteratorResult<Uint8Array>;
      do {
        await new Promise((resolve) => setImmediate(resolve));
        next = pieces.next();
      } while (!next.done && next.value.length === 0);
      const { done, value } = next;
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array<ArrayBuffer>);
    },
    cancel() {
      pieces.return(undefined);
    },
  });
}

export function contentTypeOf(wanted: Wanted): string {
  if (wanted.as === "protobuf") return PROTOBUF_TYPE;
  return wanted.as === "yaml" ? YAML_TYPE : JSON_TYPE;
}

export function headersOf(contentType: string): Record<string, string> {
  return { "content-type": contentType, "cache-control": "no-cache, private" };
}
