/** OpenAPI v3 paths of resources: an operation a verb, with its parameters, bodies and replies. */
import type { FieldFacts } from "../facts/fields.ts";
import { type SubresourceFacts, subresourceFacts, type Verb, versionFacts } from "../facts/resources.ts";
import { typeByKey, type TypeFacts, typeFacts } from "../facts/types.ts";
import type { Json, JsonObject } from "../json.ts";
import type { SchemaSet } from "./schemas.ts";
import {
  capital,
  customSchemaName,
  groupVersionKind,
  groupVersionPath,
  operationPrefix,
  type ServedResource,
  tagOf,
} from "./served.ts";

const MEDIA_TYPES = ["application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];
const STREAM_TYPES = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const PATCH_TYPES = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];

const LIST_PARAMETERS: [string, string][] = [
  ["allowWatchBookmarks", "boolean"],
  ["continue", "string"],
  ["fieldSelector", "string"],
  ["labelSelector", "string"],
  ["limit", "integer"],
  ["resourceVersion", "string"],
  ["resourceVersionMatch", "string"],
  ["sendInitialEvents", "boolean"],
  ["timeoutSeconds", "integer"],
  ["watch", "boolean"],
];
const WRITE_PARAMETERS: [string, string][] = [
  ["dryRun", "string"],
  ["fieldManager", "string"],
  ["fieldValidation", "string"],
];
const DELETE_PARAMETERS: [string, string][] = [
  ["dryRun", "string"],
  ["gracePeriodSeconds", "integer"],
  ["orphanDependents", "boolean"],
  ["propagationPolicy", "string"],
];
const CONNECT_METHODS: [Verb, string][] = [
  ["delete", "delete"],
  ["get", "get"],
  ["patch", "patch"],
  ["create", "post"],
  ["update", "put"],
];
const NOT_FOR_DELETION = new Set(["allowWatchBookmarks", "watch"]);

/** The paths of one resource; the schemas that they need are added to the set. */
export function resourcePaths(served: ServedResource, schemas: SchemaSet): Record<string, JsonObject> {
  return new ResourcePaths(served, schemas).all();
}

class ResourcePaths {
  readonly #served: ServedResource;
  readonly #schemas: SchemaSet;
  readonly #kind: JsonObject;
  readonly #tag: string;

  constructor(served: ServedResource, schemas: SchemaSet) {
    this.#served = served;
    this.#schemas = schemas;
    this.#kind = groupVersionKind(served.facts.group, served.version, served.facts.kind);
    this.#tag = tagOf(served.facts.group, served.version);
  }

  all(): Record<string, JsonObject> {
    const { facts, version } = this.#served;
    const row = versionFacts(facts, version);
    if (row === undefined) return {};
    const root = `/${groupVersionPath(facts.group, version)}`;
    const collection = facts.namespaced
      ? `${root}/namespaces/{namespace}/${facts.resource}`
      : `${root}/${facts.resource}`;
    const paths: Record<string, JsonObject> = {};
    const put = (path: string, operations: JsonObject, parameters: JsonObject[]) => {
      if (Object.keys(operations).length > 0) paths[path] = { ...operations, parameters: [...parameters, PRETTY] };
    };
    const namespace = facts.namespaced ? [inPath("namespace")] : [];
    if (row.verbs.length > 0) {
      const object = this.#object();
      if (facts.namespaced && row.verbs.includes("list")) {
        put(`${root}/${facts.resource}`, { get: this.#list(true) }, []);
      }
      put(collection, this.#collection(row.verbs, object), namespace);
      put(`${collection}/{name}`, this.#item(row.verbs, object, this.#kind, ""), [inPath("name"), ...namespace]);
    }
    for (const { name } of row.subresources ?? []) {
      const sub = subresourceFacts(facts, version, name)!;
      put(`${collection}/{name}/${name}`, this.#subresource(sub), [inPath("name"), ...namespace]);
    }
    return paths;
  }

  /** The reference to the object's schema. */
  #object(): JsonObject {
    const { facts, version, schema } = this.#served;
    if (schema !== undefined) {
      const marked = { ...schema, "x-kubernetes-group-version-kind": [this.#kind] };
      return this.#schemas.addRaw(customSchemaName(facts.group, version, facts.kind), marked);
    }
    return this.#schemas.addKind(typeFacts(facts.group, version, facts.kind)!, this.#kind);
  }

  #listSchema(): JsonObject {
    const { facts, version, schema } = this.#served;
    const kind = `${facts.kind}List`;
    const type = schema === undefined ? typeFacts(facts.group, version, kind) : undefined;
    if (type !== undefined) return this.#schemas.addKind(type, groupVersionKind(facts.group, version, kind));
    return this.#schemas.addRaw(customSchemaName(facts.group, version, kind), {
      properties: {
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { allOf: [this.#schemas.add(typeByKey("meta/v1.ListMeta")!)] },
        items: { items: this.#object(), type: "array" },
      },
      required: ["items"],
      type: "object",
      "x-kubernetes-group-version-kind": [groupVersionKind(facts.group, version, kind)],
    });
  }

  #collection(verbs: readonly Verb[], object: JsonObject): JsonObject {
    const operations: JsonObject = {};
    if (verbs.includes("deletecollection")) {
      const selecting = LIST_PARAMETERS.filter(([name]) => !NOT_FOR_DELETION.has(name));
      operations["delete"] = this.#operation("delete", "deletecollection", "Collection", this.#kind, {
        parameters: [...DELETE_PARAMETERS, ...selecting].map(inQuery),
        body: this.#deleteOptions(),
        replies: { 200: this.#status() },
      });
    }
    if (verbs.includes("list")) operations["get"] = this.#list(false);
    if (verbs.includes("create")) {
      operations["post"] = this.#operation("create", "post", "", this.#kind, {
        parameters: WRITE_PARAMETERS.map(inQuery),
        body: object,
        replies: { 200: object, 201: object, 202: object },
      });
    }
    return operations;
  }

  #list(allNamespaces: boolean): JsonObject {
    return this.#operation("list", "list", allNamespaces ? "ForAllNamespaces" : "", this.#kind, {
      parameters: LIST_PARAMETERS.map(inQuery),
      replies: { 200: this.#listSchema() },
      streams: true,
    });
  }

  #item(verbs: readonly Verb[], object: JsonObject, kind: JsonObject, suffix: string): JsonObject {
    const operations: JsonObject = {};
    const written = { 200: object, 201: object };
    if (verbs.includes("delete")) {
      operations["delete"] = this.#operation("delete", "delete", suffix, kind, {
        parameters: DELETE_PARAMETERS.map(inQuery),
        body: this.#deleteOptions(),
        replies: { 200: object, 202: object },
      });
    }
    if (verbs.includes("get")) {
      operations["get"] = this.#operation("read", "get", suffix, kind, { replies: { 200: object } });
    }
    if (verbs.includes("patch")) {
      operations["patch"] = this.#operation("patch", "patch", suffix, kind, {
        parameters: [...WRITE_PARAMETERS.map(inQuery), inQuery(["force", "boolean"])],
        body: this.#schemas.addRaw("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", { type: "object" }),
        bodyTypes: PATCH_TYPES,
        replies: written,
      });
    }
    if (verbs.includes("update")) {
      operations["put"] = this.#operation("replace", "put", suffix, kind, {
        parameters: WRITE_PARAMETERS.map(inQuery),
        body: object,
        replies: written,
      });
    }
    return operations;
  }

  #subresource(sub: SubresourceFacts): JsonObject {
    const suffix = capital(sub.name);
    const kind = groupVersionKind(sub.group, sub.version, sub.kind);
    const type = typeFacts(sub.group, sub.version, sub.kind);
    if (sub.name === "log") return this.#connect(sub, suffix, kind, typeByKey("v1.PodLogOptions")!);
    if (type === undefined) return {};
    if (sub.kind.endsWith("Options")) return this.#connect(sub, suffix, kind, type);
    const own = sub.kind === this.#served.facts.kind && this.#served.schema !== undefined;
    const object = own ? this.#object() : this.#schemas.addKind(type, kind);
    const operations = this.#item(sub.verbs, object, kind, suffix);
    if (sub.verbs.includes("create")) {
      operations["post"] = this.#operation("create", "post", suffix, kind, {
        parameters: WRITE_PARAMETERS.map(inQuery),
        body: object,
        replies: { 200: object, 201: object, 202: object },
      });
    }
    return operations;
  }

  /** A stream, whose options are asked for in the query. */
  #connect(sub: SubresourceFacts, suffix: string, kind: JsonObject, options: TypeFacts): JsonObject {
    const parameters = [...options.names()].map((field) => inQuery([field.name, queryType(field)]));
    const operations: JsonObject = {};
    for (const [verb, method] of CONNECT_METHODS) {
      if (!sub.verbs.includes(verb)) continue;
      const isRead = sub.name === "log";
      const [word, action] = isRead ? ["read", "get"] as const : [`connect ${method}`, "connect"] as const;
      operations[method] = this.#operation(word, action, suffix, kind, {
        parameters,
        replies: { 200: { type: "string" } },
        replyTypes: isRead ? ["text/plain", ...MEDIA_TYPES] : ["*/*"],
      });
    }
    return operations;
  }

  #operation(word: string, action: string, suffix: string, kind: JsonObject, parts: {
    parameters?: JsonObject[];
    body?: JsonObject;
    bodyTypes?: readonly string[];
    replies: Record<number, JsonObject>;
    replyTypes?: readonly string[];
    streams?: boolean;
  }): JsonObject {
    const { facts } = this.#served;
    const scope = facts.namespaced && suffix !== "ForAllNamespaces" ? "Namespaced" : "";
    const tag = operationPrefix(facts.group, this.#served.version);
    // "connect get" names the method between the tag and the kind.
    const [first, method = ""] = word.split(" ") as [string, string?];
    const middle = suffix === "Collection" ? `Collection${scope}${facts.kind}` : `${scope}${facts.kind}${suffix}`;
    const replyTypes = parts.replyTypes ?? (parts.streams ? [...MEDIA_TYPES, ...STREAM_TYPES] : MEDIA_TYPES);
    const responses: JsonObject = {};
    for (const [code, schema] of Object.entries(parts.replies)) {
      responses[code] = { description: code, content: content(replyTypes, schema) };
    }
    return {
      operationId: `${first}${tag}${method && capital(method)}${middle}`,
      tags: [this.#tag],
      ...(parts.parameters && { parameters: parts.parameters }),
      ...(parts.body && {
        requestBody: {
          content: content(parts.bodyTypes ?? ["*/*"], parts.body),
          ...(action !== "delete" && { required: true }),
        },
      }),
      responses,
      "x-kubernetes-action": action,
      "x-kubernetes-group-version-kind": kind,
    };
  }

  #deleteOptions(): JsonObject {
    const { facts, version } = this.#served;
    const type = typeByKey("meta/v1.DeleteOptions")!;
    this.#schemas.addKind(type, groupVersionKind("", "v1", "DeleteOptions"));
    return this.#schemas.addKind(type, groupVersionKind(facts.group, version, "DeleteOptions"));
  }

  #status(): JsonObject {
    return this.#schemas.addKind(typeByKey("meta/v1.Status")!, groupVersionKind("", "v1", "Status"));
  }
}

const PRETTY = inQuery(["pretty", "string"]);

function inQuery([name, type]: [string, string]): JsonObject {
  return { in: "query", name, schema: { type, uniqueItems: true } };
}

function inPath(name: string): JsonObject {
  return { in: "path", name, required: true, schema: { type: "string", uniqueItems: true } };
}

function queryType(field: FieldFacts): string {
  if (field.scalar === "bool") return "boolean";
  return field.scalar === "int32" || field.scalar === "int64" ? "integer" : "string";
}

function content(types: readonly string[], schema: Json): JsonObject {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
