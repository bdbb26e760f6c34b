/** What `k3ts wait` waits for. Pure. */
import type { KubernetesObject } from "@k3ts/client";
import { find, parseRelaxed, showValue } from "../output/jsonpath.ts";
import type { Path } from "../output/jsonpath_parse.ts";
import { Problem } from "../problem.ts";

export type Condition =
  | { type: "delete" }
  | { type: "create" }
  /** Lower case. */
  | { type: "condition"; name: string; status: string }
  /** Without a value: that there is something. */
  | { type: "jsonpath"; path: Path; value: string | undefined };

/** `delete`, `create`, `condition=Ready`, `condition=Ready=false`, `jsonpath={.status.phase}=Running`. @throws {Problem} */
export function parseCondition(text: string): Condition {
  if (text.toLowerCase() === "delete") return { type: "delete" };
  if (text.toLowerCase() === "create") return { type: "create" };
  const [type, rest = ""] = splitOnce(text, "=");
  if (type === "condition" && rest !== "") {
    const [name, status = "true"] = splitOnce(rest, "=");
    return { type, name: name.toLowerCase(), status: status.toLowerCase() };
  }
  if (type === "jsonpath" && rest !== "") return parsePathCondition(rest.replace(/^(['"])({.*})\1/s, "$2"));
  throw new Problem(
    `--for must be delete, create, condition=NAME[=STATUS] or jsonpath={PATH}[=VALUE]: it is "${text}".`,
  );
}

function parsePathCondition(text: string): Condition {
  const end = text.startsWith("{") ? text.lastIndexOf("}") + 1 : text.search(/=(?!=)|$/);
  const path = text.slice(0, end);
  const rest = text.slice(end);
  if (rest !== "" && !/^=./s.test(rest)) {
    throw new Problem(`--for=jsonpath must be {PATH} or {PATH}=VALUE: it is "${text}".`);
  }
  const value = rest === "" ? undefined : rest.slice(1).replace(/^(['"])(.*)\1$/s, "$2");
  return { type: "jsonpath", path: parseRelaxed(path), value };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * @param object undefined where it does not exist
 * @throws {Problem} when a path finds what cannot be compared
 */
export function isMet(condition: Condition, object: KubernetesObject | undefined): boolean {
  switch (condition.type) {
    case "delete":
      return object === undefined;
    case "create":
      return object !== undefined;
    case "condition":
      return object !== undefined && hasCondition(object as Observed, condition);
    case "jsonpath":
      return object !== undefined && hasValue(object, condition);
  }
}

type Observed = KubernetesObject & {
  metadata: { generation?: number };
  status?: {
    observedGeneration?: number;
    conditions?: { type?: string; status?: string; observedGeneration?: number }[];
  };
};

/** What was said of an earlier generation says nothing of this one. */
function hasCondition(
  { metadata, status }: Observed,
  { name, status: wanted }: { name: string; status: string },
): boolean {
  const condition = status?.conditions?.find(({ type }) => type?.toLowerCase() === name);
  const observed = condition?.observedGeneration ?? status?.observedGeneration;
  if (observed !== undefined && observed < (metadata.generation ?? 0)) return false;
  return condition?.status?.toLowerCase() === wanted;
}

function hasValue(object: KubernetesObject, { path, value }: { path: Path; value: string | undefined }): boolean {
  const found = find(path, object);
  if (value === undefined) return found.length > 0;
  if (found.length > 1) throw new Problem("The JSONPath of --for must find one value to compare: it finds several.");
  const [one] = found;
  if (typeof one === "object" && one !== null) {
    throw new Problem("The JSONPath of --for must find a text, number or boolean: it finds an object or a list.");
  }
  return found.length === 1 && showValue(one) === value;
}
