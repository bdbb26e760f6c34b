import { KUBERNETES_VERSION } from "../facts/resources.ts";
import type { JsonObject } from "../json.ts";
import { resourcePaths } from "./paths.ts";
import { SchemaSet } from "./schemas.ts";
import { byGroupVersion, type ServedResource } from "./served.ts";
import { swaggerOf } from "./swagger.ts";
import { encodeSwagger } from "./swagger_protobuf.ts";

/** Grows when documents made from the same facts come out different; clients keep documents by their hash. */
const FORMAT = 1;

/** A document as it goes out, with the hash that its address and its ETag carry. */
export interface OpenApiDocument {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: string;
}

/**
 * The OpenAPI documents of what a server serves, made when they are first asked for and kept as bytes. They never
 * change: when what is served changes, make a new one.
 */
export class OpenApi {
  readonly #groups: Map<string, ServedResource[]>;
  readonly #hashes = new Map<string, string>();
  readonly #documents = new Map<string, OpenApiDocument>();

  constructor(served: readonly ServedResource[]) {
    this.#groups = byGroupVersion(served);
  }

  /** `/openapi/v3`: the addresses of the documents, each with its hash. */
  index(): OpenApiDocument {
    return this.#kept("index", this.#hashOfAll(), () => {
      const paths: JsonObject = {};
      for (const path of this.#groups.keys()) {
        paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${this.#hash(path)}` };
      }
      return encode({ paths });
    });
  }

  /** `/openapi/v3/{path}`, with a path such as `api/v1` or `apis/apps/v1`; undefined when nothing is served there. */
  groupVersion(path: string): OpenApiDocument | undefined {
    const served = this.#groups.get(path);
    return served && this.#kept(path, this.#hash(path), () => encode(openApiV3(served)));
  }

  /** `/openapi/v2` as JSON. */
  swagger(): OpenApiDocument {
    return this.#kept("v2", this.#hashOfAll(), () => encode(this.#swagger()));
  }

  /** `/openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
  swaggerProtobuf(): OpenApiDocument {
    return this.#kept("v2.pb", this.#hashOfAll(), () => encodeSwagger(this.#swagger()));
  }

  #swagger(): JsonObject {
    return swaggerOf([...this.#groups.values()].map(openApiV3));
  }

  #kept(key: string, hash: string, make: () => Uint8Array<ArrayBuffer>): OpenApiDocument {
    let document = this.#documents.get(key);
    if (document === undefined) {
      document = { bytes: make(), hash };
      this.#documents.set(key, document);
    }
    return document;
  }

  /** Of what a document is made from, so that none has to be made for the index. */
  #hash(path: string): string {
    let hash = this.#hashes.get(path);
    if (hash === undefined) {
      hash = hashOf(JSON.stringify([FORMAT, KUBERNETES_VERSION, this.#groups.get(path)]));
      this.#hashes.set(path, hash);
    }
    return hash;
  }

  #hashOfAll(): string {
    return hashOf([...this.#groups.keys()].map((path) => path + this.#hash(path)).join());
  }
}

/** The OpenAPI v3 document of a group and version. */
function openApiV3(served: readonly ServedResource[]): JsonObject {
  const schemas = new SchemaSet();
  const paths: JsonObject = {};
  for (const resource of served) Object.assign(paths, resourcePaths(resource, schemas));
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: `v${KUBERNETES_VERSION}` },
    paths,
    components: {
      schemas: schemas.schemas,
      securitySchemes: { BearerToken: { in: "header", name: "authorization", type: "apiKey" } },
    },
  };
}

function encode(document: JsonObject): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(document));
}

/** Two FNV-1a hashes of 32 bits from different starts, in hexadecimal: it names a document, it guards nothing. */
function hashOf(text: string): string {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    first = Math.imul(first ^ text.charCodeAt(i), 0x01000193);
    second = Math.imul(second ^ text.charCodeAt(i), 0x01000193);
  }
  return [first, second].map((half) => (half >>> 0).toString(16).toUpperCase().padStart(8, "0")).join("");
}
