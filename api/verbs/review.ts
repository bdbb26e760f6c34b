/** Questions that are answered and not stored: may somebody do something, who is somebody. */
import { type ApiObject, formatTime } from "@k3ts/model";
import { denied } from "../auth/rbac.ts";
import type { Action } from "../auth/rules.ts";
import { TokenRefused, userOfToken } from "../auth/service_account_tokens.ts";
import type { User } from "../auth/user.ts";
import { badRequest, invalid, methodNotSupported } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeObject } from "./decode.ts";
import { existenceIn } from "./existence.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";

interface ReviewSpec {
  user?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
  namespace?: string;
  resourceAttributes?: {
    namespace?: string;
    verb?: string;
    group?: string;
    resource?: string;
    subresource?: string;
    name?: string;
  };
  nonResourceAttributes?: { path?: string; verb?: string };
  token?: string;
  audiences?: string[];
}

interface Review extends ApiObject {
  kind: string;
  apiVersion: string;
  spec?: ReviewSpec;
}

type Answer = (review: Review, request: CreateRequest, verbs: Verbs) => object | Promise<object>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  selfsubjectaccessreviews: ({ spec = {} }, { user }, verbs) => accessOf(user, spec, verbs),
  subjectaccessreviews: ({ spec = {} }, _request, verbs) => accessOf(subjectOf(spec), spec, verbs),
  localsubjectaccessreviews({ spec = {} }, { namespace }, verbs) {
    if ((spec.resourceAttributes?.namespace ?? "") !== namespace) {
      throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
    }
    return accessOf(subjectOf(spec), spec, verbs);
  },
  selfsubjectrulesreviews: ({ spec = {} }, { user }, verbs) => rulesFor(user, spec, verbs),
  selfsubjectreviews: (_review, { user }) => ({ userInfo: userInfo(user) }),
  tokenreviews: ({ spec = {} }, _request, verbs) => reviewToken(spec, verbs),
};

export async function answerReview(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { resource, body, fieldValidation } = request;
  const answer = ANSWERS[resource.resource];
  if (answer === undefined) throw methodNotSupported(resource, "create");
  const { object, problems } = decodeObject(resource, body, fieldValidation);
  const review = object as Review;
  const status = await answer(review, request, verbs);
  const metadata = resource.resource === "selfsubjectreviews"
    ? { creationTimestamp: formatTime(verbs.clock.now()) }
    : { ...review.metadata, creationTimestamp: null };
  const { kind, apiVersion, spec } = review;
  const answered = { kind, apiVersion, metadata, ...(spec && { spec }), status };
  return valueReply(answered, 201, problems);
}

function accessOf(user: User, spec: ReviewSpec, { access }: Verbs): object {
  const action = actionOf(spec);
  if (access.allowed(user, action)) return { allowed: true, reason: "RBAC: allowed" };
  return { allowed: false, reason: denied(user, action).message };
}

function actionOf({ resourceAttributes: resource, nonResourceAttributes: path }: ReviewSpec): Action {
  if ((resource === undefined) === (path === undefined)) {
    throw invalid({ group: "authorization.k8s.io", kind: "SubjectAccessReview" }, "", [{
      type: "FieldValueInvalid",
      field: "spec.resourceAttributes",
      body: "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
    }]);
  }
  if (path !== undefined) return { verb: path.verb ?? "", path: path.path ?? "" };
  const { verb = "", group = "", subresource = "", namespace = "", name = "" } = resource!;
  return { verb, group, resource: resource!.resource ?? "", subresource, namespace, name };
}

function subjectOf({ user = "", uid, groups = [], extra }: ReviewSpec): User {
  if (user === "" && groups.length === 0) {
    throw invalid({ group: "authorization.k8s.io", kind: "SubjectAccessReview" }, "", [{
      type: "FieldValueInvalid",
      field: "spec.user",
      body: 'Invalid value: "": at least one of user or group must be specified',
    }]);
  }
  return { name: user, groups, ...(uid !== undefined && { uid }), ...(extra !== undefined && { extra }) };
}

function rulesFor(user: User, { namespace = "" }: ReviewSpec, { access }: Verbs): object {
  if (namespace === "") throw badRequest("no namespace on request");
  const rules = access.rulesOf(user, namespace);
  return {
    resourceRules: rules.filter((rule) => rule.resources !== undefined).map(({ nonResourceURLs: _, ...rule }) => rule),
    nonResourceRules: rules.filter((rule) => rule.nonResourceURLs !== undefined)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: false,
  };
}

async function reviewToken({ token = "", audiences = [] }: ReviewSpec, verbs: Verbs): Promise<object> {
  if (token === "") throw badRequest("token is required for TokenReview in authentication");
  const wanted = audiences.length === 0 ? [verbs.tokens.issuer] : audiences;
  try {
    const claims = await verbs.tokens.verify(token, wanted);
    if (claims === undefined) return { user: {}, error: "invalid bearer token" };
    const user = userOfToken(claims, existenceIn(verbs));
    return { authenticated: true, user: userInfo(user), audiences: claims.aud.filter((one) => wanted.includes(one)) };
  } catch (error) {
    if (error instanceof TokenRefused) return { user: {}, error: error.message };
    throw error;
  }
}

function userInfo({ name, uid, groups, extra }: User): object {
  return { username: name, ...(uid !== undefined && { uid }), groups, ...(extra !== undefined && { extra }) };
}
