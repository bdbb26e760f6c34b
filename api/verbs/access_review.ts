/**
 * May somebody do something, and what may somebody do: answered and not stored.
 * Follows k8s.io/kubernetes `pkg/registry/authorization` and `pkg/apis/authorization/validation` (1.35).
 */
import { type ApiObject, type FieldRequirement, parseFieldSelector, SelectorError } from "@k3ts/model";
import type { Action, PolicyRule } from "../auth/rules.ts";
import type { User } from "../auth/user.ts";
import { badRequest, invalid } from "../status.ts";
import type { Verbs } from "./context.ts";
import type { CreateRequest } from "./request.ts";

interface Selector {
  rawSelector?: string;
  requirements?: { key: string; operator: string; values?: string[] }[];
}

export interface AccessReview extends ApiObject {
  kind: string;
  apiVersion: string;
  spec?: {
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
      fieldSelector?: Selector;
      labelSelector?: Selector;
    };
    nonResourceAttributes?: { path?: string; verb?: string };
  };
}

interface Problem {
  type: string;
  field: string;
  body: string;
}

export function reviewOwnAccess(review: AccessReview, { user }: CreateRequest, { access }: Verbs): object {
  refuse(review, [...attributeProblems(review), ...metadataProblems(review)]);
  return answer(review, user, access);
}

export function reviewAccess(review: AccessReview, _request: CreateRequest, { access }: Verbs): object {
  refuse(review, [...attributeProblems(review), ...subjectProblems(review), ...metadataProblems(review)]);
  return answer(review, subjectOf(review), access);
}

export function reviewLocalAccess(review: AccessReview, { namespace }: CreateRequest, { access }: Verbs): object {
  const { resourceAttributes, nonResourceAttributes } = review.spec ?? {};
  const problems = [
    ...attributeProblems(review),
    ...subjectProblems(review),
    ...metadataProblems(review, "must be empty except for namespace"),
  ];
  const named = review.metadata.namespace ?? "";
  if (resourceAttributes !== undefined && (resourceAttributes.namespace ?? "") !== named) {
    problems.push(
      wrong("spec.resourceAttributes.namespace", resourceAttributes.namespace ?? "", "must match metadata.namespace"),
    );
  }
  if (nonResourceAttributes !== undefined) {
    problems.push(wrong("spec.nonResourceAttributes", nonResourceAttributes, "disallowed on this kind of request"));
  }
  refuse(review, problems);
  if (named !== namespace) throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
  return answer(review, subjectOf(review), access);
}

export function reviewOwnRules({ spec }: AccessReview, { user }: CreateRequest, { access }: Verbs): object {
  const { namespace = "" } = spec ?? {};
  if (namespace === "") throw badRequest("no namespace on request");
  const { rules, incomplete } = access.rulesOf(user, namespace);
  return {
    resourceRules: rules.filter((rule) => (rule.resources ?? []).length > 0).map(resourceRule),
    nonResourceRules: rules.filter((rule) => (rule.nonResourceURLs ?? []).length > 0)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
    incomplete: incomplete !== undefined,
    ...(incomplete !== undefined && { evaluationError: incomplete }),
  };
}

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule): object {
  return {
    verbs,
    ...(apiGroups && { apiGroups }),
    ...(resources && { resources }),
    ...(resourceNames && { resourceNames }),
  };
}

function answer(review: AccessReview, user: User, access: Verbs["access"]): object {
  const { action, problem } = actionOf(review);
  const { allowed, reason } = access.decide(user, action);
  return {
    allowed,
    ...(reason !== "" && { reason }),
    // What could not be read of a selector may only have narrowed the question.
    ...(problem !== undefined && { evaluationError: problem }),
  };
}

function actionOf({ spec = {} }: AccessReview): { action: Action; problem?: string } {
  const { resourceAttributes: asked, nonResourceAttributes: path } = spec;
  if (asked === undefined) return { action: { verb: path?.verb ?? "", path: path?.path ?? "" } };
  const { verb = "", group = "", resource = "", subresource = "", namespace = "", name = "" } = asked;
  const { fields, problem } = asked.fieldSelector === undefined ? {} : readFields(asked.fieldSelector);
  return {
    action: { verb, group, resource, subresource, namespace, name, ...(fields && { fieldSelector: fields }) },
    ...(problem !== undefined && { problem }),
  };
}

function readFields({ rawSelector = "", requirements = [] }: Selector): {
  fields: FieldRequirement[];
  problem?: string;
} {
  try {
    if (rawSelector !== "") return { fields: parseFieldSelector(rawSelector) };
  } catch (error) {
    if (error instanceof SelectorError) {
      return { fields: [], problem: `spec.resourceAttributes.fieldSelector ignored due to parse error` };
    }
    throw error;
  }
  const fields: FieldRequirement[] = [];
  let problem: string | undefined;
  for (const { key, operator, values = [] } of requirements) {
    const [value, ...more] = values;
    const known = operator === "In" || operator === "NotIn";
    if (known && value !== undefined && more.length === 0) fields.push({ field: key, equal: operator === "In", value });
    else problem = `spec.resourceAttributes.fieldSelector partially ignored due to parse error`;
  }
  return { fields, ...(problem !== undefined && { problem }) };
}

function subjectOf({ spec = {} }: AccessReview): User {
  const { user = "", uid, groups = [], extra } = spec;
  return { name: user, groups, ...(uid !== undefined && { uid }), ...(extra !== undefined && { extra }) };
}

function attributeProblems({ spec = {} }: AccessReview): Problem[] {
  const { resourceAttributes, nonResourceAttributes } = spec;
  const problems: Problem[] = [];
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined) {
    const why = "cannot be specified in combination with resourceAttributes";
    problems.push(wrong("spec.nonResourceAttributes", nonResourceAttributes, why));
  }
  if (resourceAttributes === undefined && nonResourceAttributes === undefined) {
    const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    problems.push(wrong("spec.resourceAttributes", null, why));
  }
  for (const name of ["fieldSelector", "labelSelector"] as const) {
    const selector = resourceAttributes?.[name];
    if (selector === undefined) continue;
    const { rawSelector = "", requirements = [] } = selector;
    const path = `spec.resourceAttributes.${name}`;
    if (rawSelector !== "" && requirements.length > 0) {
      problems.push(wrong(`${path}.rawSelector`, rawSelector, "may not specified at the same time as requirements"));
    }
    if (rawSelector === "" && requirements.length === 0) {
      const body = `Required value: when ${path} is specified, requirements or rawSelector is required`;
      problems.push({ type: "FieldValueRequired", field: `${path}.requirements`, body });
    }
  }
  return problems;
}

function subjectProblems({ spec = {} }: AccessReview): Problem[] {
  if (spec.user || (spec.groups ?? []).length > 0) return [];
  return [wrong("spec.user", "", "at least one of user or group must be specified")];
}

/** It is a question, not an object. */
function metadataProblems({ metadata }: AccessReview, why = "must be empty"): Problem[] {
  const { name, namespace, managedFields: _, ...others } = metadata;
  const local = why !== "must be empty";
  const rest = Object.values(others).filter((value) => value !== undefined && value !== null);
  if (!name && (local || !namespace) && rest.length === 0) return [];
  return [wrong("metadata", metadata, why)];
}

function wrong(field: string, value: unknown, why: string): Problem {
  return { type: "FieldValueInvalid", field, body: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

function refuse({ kind }: AccessReview, problems: Problem[]): void {
  if (problems.length > 0) throw invalid({ group: "authorization.k8s.io", kind }, "", problems);
}
