/** The forms in which each resource's objects are shown, made once a server so that what is kept is shared. */
import { type Clock, encodeProtobuf, openEnvelope, typeFacts } from "@k3ts/model";
import { type Form, JSON_FORM } from "../cache/encoding.ts";
import { Kept, type KeptLimits } from "../cache/kept.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import type { Status } from "../status.ts";
import { partialMetadata } from "./partial_metadata.ts";
import { type IncludeObject, tableOf } from "./table.ts";

/** What a client may ask for. */
export type FormChoice =
  /** `metadata`: PartialObjectMetadata, as JSON. */
  | { as: "json" | "protobuf" | "metadata" }
  | { as: "table"; include: IncludeObject };

/** Objects, and bytes of them all, whose protobuf is kept. */
const KEPT: KeptLimits = { countMax: 16_384, bytesMax: 32 * 1024 * 1024 };

const STATUS_TYPE = typeFacts("", "v1", "Status")!;
const encoder = new TextEncoder();

const METADATA_FORM: Form = {
  id: "metadata",
  encode: (object) => encoder.encode(JSON.stringify(partialMetadata(parseObject(object)))),
  encodeStatus: JSON_FORM.encodeStatus,
};

export class Forms {
  readonly #clock: Clock;
  readonly #kept = new Kept<StoredObject, Uint8Array>(KEPT);
  readonly #envelopes = new Map<ServedResource, Form>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of(resource: ServedResource, choice: FormChoice): Form {
    if (choice.as === "table") return this.#table(resource, choice.include);
    if (choice.as === "metadata") return METADATA_FORM;
    return choice.as === "json" ? JSON_FORM : this.#envelope(resource);
  }

  /** The protobuf message within an object's envelope: what lists are made of. Made once with it. */
  message(resource: ServedResource, object: StoredObject): Uint8Array {
    return openEnvelope(this.#envelope(resource).encode(object)).message;
  }

  #envelope(resource: ServedResource): Form {
    let form = this.#envelopes.get(resource);
    if (form === undefined) {
      const { apiVersion, kind, type } = resource;
      const id = `protobuf/${apiVersion}/${kind}`;
      form = {
        id,
        encode: (object) => {
          const kept = this.#kept.get(object, id);
          if (kept !== undefined) return kept;
          const made = encodeProtobuf({ ...parseObject(object), apiVersion, kind }, type);
          this.#kept.keep(object, id, made, made.length);
          return made;
        },
        encodeStatus,
      };
      this.#envelopes.set(resource, form);
    }
    return form;
  }

  /** Not kept, as ages pass. */
  #table(resource: ServedResource, include: IncludeObject): Form {
    return {
      id: `table/${resource.apiVersion}/${resource.kind}/${include}`,
      encode: (object) => {
        const table = tableOf(resource, [object], include, this.#clock.wall(), String(object.revision));
        return encoder.encode(JSON.stringify(table));
      },
      encodeStatus: JSON_FORM.encodeStatus,
    };
  }
}

function encodeStatus(status: Status): Uint8Array {
  return encodeProtobuf(status, STATUS_TYPE);
}
