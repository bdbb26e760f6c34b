import { type ApiObject, typeFacts } from "@k3ts/model";
import { timestamp } from "../clock.ts";
import { conflict, invalid } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { refuseOtherObject } from "./metadata.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";
import { revise } from "./revise.ts";

const BINDING = { kind: "Binding", apiVersion: "v1" };
const BINDING_TYPE = typeFacts("", "v1", "Binding")!;

interface Binding extends ApiObject {
  target?: { kind?: string; name?: string };
}

interface PodData extends ApiObject {
  spec: { nodeName?: string };
  status?: { conditions?: { type: string; status: string; lastProbeTime?: null; lastTransitionTime?: string }[] };
}

/** Gives a pod to a node: once, and for ever. */
export async function bind(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { object } = decodeAs<Binding>(request.body, BINDING_TYPE, BINDING, request.fieldValidation);
  object.metadata ??= { name: "" };
  refuseOtherObject(object, request);
  const { resource, name } = request;
  const node = object.target?.name ?? "";
  refuseIfInvalid(object, node);
  await revise(request, {
    next(old) {
      const pod = structuredClone(old) as PodData;
      const { uid, annotations } = object.metadata;
      if (uid && uid !== pod.metadata.uid) {
        throw conflict(
          resource,
          name,
          `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`,
        );
      }
      if (pod.metadata.deletionTimestamp !== undefined) {
        throw conflict(resource, name, `pod ${name} is being deleted, cannot be assigned to a host`);
      }
      if (pod.spec.nodeName) {
        throw conflict(resource, name, `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
      }
      pod.spec.nodeName = node;
      if (annotations) pod.metadata.annotations = { ...pod.metadata.annotations, ...annotations };
      const scheduled = {
        type: "PodScheduled",
        status: "True",
        lastProbeTime: null,
        lastTransitionTime: timestamp(verbs.clock.now()),
      };
      const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
      pod.status = { ...pod.status, conditions: [...others, scheduled] };
      return pod;
    },
    retries: true,
  }, verbs);
  const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return valueReply(success, 201);
}

function refuseIfInvalid({ metadata, target }: Binding, node: string): void {
  const kind = target?.kind ?? "";
  if (kind !== "" && kind !== "Node") {
    throw invalid({ group: "", kind: "Binding" }, metadata.name, [{
      type: "FieldValueNotSupported",
      field: "target.kind",
      body: `Unsupported value: ${JSON.stringify(kind)}: supported values: "Node", "<empty>"`,
    }]);
  }
  if (node === "") {
    throw invalid({ group: "", kind: "Binding" }, metadata.name, [{
      type: "FieldValueRequired",
      field: "target.name",
      body: "Required value",
    }]);
  }
}
