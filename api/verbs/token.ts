import { type ApiObject, formatTime, type Pod, typeFacts } from "@k3ts/model";
import type { BoundObject, NodeReference } from "../auth/service_account_tokens.ts";
import { parseObject } from "../registry/stored_object.ts";
import { badRequest, conflict, invalid, notFound } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";

const GROUP = "authentication.k8s.io";
const TOKEN_REQUEST = { kind: "TokenRequest", apiVersion: `${GROUP}/v1` };
const TOKEN_REQUEST_TYPE = typeFacts(GROUP, "v1", "TokenRequest")!;

const SECONDS_DEFAULT = 3600;
const SECONDS_MIN = 600;
/** A year: longer ones are shortened to it. */
const SECONDS_MAX = 365 * 24 * 3600;
/** Of what may be asked for at all. */
const SECONDS_LIMIT = 2 ** 32;
const AUDIENCES_MAX = 64;

interface TokenRequest extends ApiObject {
  spec: {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
}

/** A token for a service account, perhaps bound to a pod, a Secret or a node, and gone with it. */
export async function requestToken(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { resource, namespace, name } = request;
  const { object } = decodeAs<TokenRequest>(request.body, TOKEN_REQUEST_TYPE, TOKEN_REQUEST, request.fieldValidation);
  object.metadata ??= { name: "" };
  refuseOtherAccount(object, request);
  const account = verbs.registry.cache.get(resource, namespace, name);
  if (account === undefined) throw notFound(resource, name);
  const { uid = account.uid } = object.metadata;
  if (uid !== account.uid) {
    const why = `the UID in the token request (${uid}) does not match the UID of the service account (${account.uid})`;
    throw conflict({ group: GROUP, resource: "TokenRequest" }, name, why);
  }
  const now = formatTime(verbs.clock.wall());
  object.metadata = { ...object.metadata, name, namespace, uid, creationTimestamp: now };
  const { audiences = [], expirationSeconds = SECONDS_DEFAULT } = object.spec ?? {};
  refuseOddLife(expirationSeconds);
  if (audiences.length > AUDIENCES_MAX) {
    throw badRequest(`a token may be for at most ${AUDIENCES_MAX} audiences: ${audiences.length} are asked for`);
  }
  await verbs.admission.validate({ ...request, operation: "CREATE", object });
  const bound = boundObject(request, object, verbs);
  const seconds = Math.min(expirationSeconds, SECONDS_MAX);
  const signed = await verbs.tokens.sign({
    namespace,
    serviceAccount: { name, uid: account.uid },
    audiences,
    expirationSeconds: seconds,
    ...bound,
  });
  const answer = {
    ...TOKEN_REQUEST,
    metadata: object.metadata,
    spec: {
      ...object.spec,
      audiences: audiences.length === 0 ? [verbs.tokens.issuer] : audiences,
      expirationSeconds: seconds,
    },
    status: { token: signed.token, expirationTimestamp: formatTime(signed.expiresAt) },
  };
  const warnings = seconds < expirationSeconds
    ? [`requested expiration of ${expirationSeconds} seconds shortened to ${seconds} seconds`]
    : [];
  return valueReply(answer, 201, warnings);
}

function refuseOtherAccount({ metadata }: TokenRequest, { namespace, name }: CreateRequest): void {
  const given = { name: metadata.name || name, namespace: metadata.namespace || namespace };
  for (const [field, wanted] of [["name", name], ["namespace", namespace]] as const) {
    if (given[field] === wanted) continue;
    const body = `Invalid value: ${JSON.stringify(given[field])}: must match the service account ${field} if specified`;
    throw invalid({ group: GROUP, kind: "TokenRequest" }, name, [{
      type: "FieldValueInvalid",
      field: `metadata.${field}`,
      body,
    }]);
  }
}

function refuseOddLife(seconds: number): void {
  if (seconds >= SECONDS_MIN && seconds <= SECONDS_LIMIT) return;
  const why = seconds < SECONDS_MIN
    ? "may not specify a duration less than 10 minutes"
    : "may not specify a duration larger than 2^32 seconds";
  throw invalid({ group: GROUP, kind: "TokenRequest" }, "", [{
    type: "FieldValueInvalid",
    field: "spec.expirationSeconds",
    body: `Invalid value: ${seconds}: ${why}`,
  }]);
}

const BINDABLE = { Pod: "pods", Secret: "secrets", Node: "nodes" } as const;

function boundObject(
  { namespace, name: account }: CreateRequest,
  { spec }: TokenRequest,
  { registry, resources }: Verbs,
): { boundTo?: BoundObject; node?: NodeReference } {
  const ref = spec?.boundObjectRef;
  if (ref === undefined) return {};
  const { apiVersion = "", kind = "", name = "", uid = "" } = ref;
  if (apiVersion !== "v1" || !isBindable(kind)) {
    throw badRequest(`cannot bind token to object of type ${apiVersion}, Kind=${kind}`);
  }
  const resource = resources.get(BINDABLE[kind]);
  const stored = registry.cache.get(resource, kind === "Node" ? "" : namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  const pod = kind === "Pod" ? parseObject<Pod & ApiObject>(stored) : undefined;
  if (pod !== undefined && pod.spec?.serviceAccountName !== account) {
    const quoted = JSON.stringify(account);
    throw badRequest(
      `cannot bind token for serviceaccount ${quoted} to pod running with different serviceaccount name.`,
    );
  }
  if (uid !== "" && uid !== stored.uid) {
    const why = `the UID in the bound object reference (${uid}) does not match the UID in record. ` +
      "The object might have been deleted and then recreated";
    throw conflict({ group: "", resource: kind }, name, why);
  }
  const boundTo = { kind, name, uid: stored.uid };
  const nodeName = pod?.spec?.nodeName ?? "";
  if (nodeName === "") return { boundTo };
  // Of a node that is gone the name still says something.
  const node = registry.cache.get(resources.get("nodes"), "", nodeName);
  return { boundTo, node: { name: nodeName, ...(node !== undefined && { uid: node.uid }) } };
}

function isBindable(kind: string): kind is keyof typeof BINDABLE {
  return Object.hasOwn(BINDABLE, kind);
}
