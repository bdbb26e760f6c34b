import { type ApiObject, formatTime, typeFacts } from "@k3ts/model";
import type { BoundObject } from "../auth/service_account_tokens.ts";
import { parseObject } from "../registry/stored_object.ts";
import { badRequest, conflict, invalid, notFound } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";

const TOKEN_REQUEST = { kind: "TokenRequest", apiVersion: "authentication.k8s.io/v1" };
const TOKEN_REQUEST_TYPE = typeFacts("authentication.k8s.io", "v1", "TokenRequest")!;

const SECONDS_DEFAULT = 3600;
const SECONDS_MIN = 600;
/** A year: longer ones are shortened to it. */
const SECONDS_MAX = 365 * 24 * 3600;

interface TokenRequest extends ApiObject {
  spec: {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
}

/** A token for a service account, perhaps bound to a pod or a Secret and gone with it. */
export async function requestToken(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { resource, namespace, name } = request;
  const account = verbs.registry.cache.get(resource, namespace, name);
  if (account === undefined) throw notFound(resource, name);
  const { object } = decodeAs<TokenRequest>(request.body, TOKEN_REQUEST_TYPE, TOKEN_REQUEST, request.fieldValidation);
  const { audiences = [], expirationSeconds = SECONDS_DEFAULT } = object.spec ?? {};
  refuseShortLife(expirationSeconds);
  const bound = boundObject(request, object, verbs);
  const seconds = Math.min(expirationSeconds, SECONDS_MAX);
  const signed = await verbs.tokens.sign({
    namespace,
    serviceAccount: { name, uid: account.uid },
    audiences,
    expirationSeconds: seconds,
    ...bound,
  });
  const shown = { name, namespace, creationTimestamp: formatTime(verbs.clock.now()) };
  const answer = {
    ...TOKEN_REQUEST,
    metadata: shown,
    spec: {
      ...object.spec,
      audiences: audiences.length === 0 ? [verbs.tokens.issuer] : audiences,
      expirationSeconds: seconds,
    },
    status: { token: signed.token, expirationTimestamp: formatTime(signed.expiresAt) },
  };
  return valueReply(answer, 201);
}

function refuseShortLife(seconds: number): void {
  if (seconds >= SECONDS_MIN) return;
  throw invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", [{
    type: "FieldValueInvalid",
    field: "spec.expirationSeconds",
    body: `Invalid value: ${seconds}: may not specify a duration less than 10 minutes`,
  }]);
}

function boundObject(
  { namespace, name: account }: CreateRequest,
  { spec }: TokenRequest,
  { registry, resources }: Verbs,
): { boundTo?: BoundObject; node?: { name: string; uid: string } } {
  const ref = spec?.boundObjectRef;
  if (ref === undefined) return {};
  const kind = ref.kind;
  if (kind !== "Pod" && kind !== "Secret") {
    throw badRequest(`cannot bind token for serviceaccount to object kind ${kind}`);
  }
  const resource = resources.get(kind === "Pod" ? "pods" : "secrets");
  const name = ref.name ?? "";
  const stored = registry.cache.get(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  if (ref.uid && ref.uid !== stored.uid) {
    throw conflict(
      resource,
      name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. ` +
        "The object might have been deleted and then recreated",
    );
  }
  const boundTo = { kind, name, uid: stored.uid } as const;
  if (kind === "Secret") return { boundTo };
  const pod = parseObject<ApiObject & { spec?: { serviceAccountName?: string; nodeName?: string } }>(stored);
  if (pod.spec?.serviceAccountName !== account) {
    throw badRequest(
      `cannot bind token for serviceaccount ${
        JSON.stringify(account)
      } to pod running with different serviceaccount name.`,
    );
  }
  const nodeName = pod.spec?.nodeName ?? "";
  const node = registry.cache.get(resources.get("nodes"), "", nodeName);
  return { boundTo, ...(node !== undefined && { node: { name: nodeName, uid: node.uid } }) };
}
