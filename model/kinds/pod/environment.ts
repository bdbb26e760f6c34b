/** Environment variables, and the fields of a pod that they and volumes may show. */
import { configKeyProblems, dnsSubdomainProblems, environmentNameProblems } from "../../names.ts";
import { parseQuantity, tryParseQuantity } from "../../quantity.ts";
import type { EnvFromSource, EnvVar, ObjectFieldSelector, ResourceFieldSelector } from "../../types/mod.ts";
import { type FieldError, invalid, notSupported, required } from "../field_error.ts";
import { validateQualifiedName } from "../values.ts";

/** What a variable may show of its pod. */
const ENVIRONMENT_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
/** What a file may show of its pod. */
export const VOLUME_FIELDS = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
/** What else has a name, and may be shown by neither. */
const OTHER_FIELDS = ["spec.restartPolicy", "spec.schedulerName", "status.phase", "status.nominatedNodeName"];
const RESOURCES = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const HUGE_PAGES = /^(limits|requests)\.hugepages-/;
const DIVISORS: Record<string, readonly string[]> = {
  cpu: ["1m", "1"],
  memory: ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"],
};

export function validateEnvironment(variables: readonly EnvVar[], path: string): FieldError[] {
  return variables.flatMap((variable, index) => {
    const at = `${path}[${index}]`;
    const errors = variable.name
      ? environmentNameProblems(variable.name).map((problem) => invalid(`${at}.name`, variable.name, problem))
      : [required(`${at}.name`)];
    return [...errors, ...validateSource(variable, `${at}.valueFrom`)];
  });
}

export function validateEnvironmentFrom(sources: readonly EnvFromSource[], path: string): FieldError[] {
  return sources.flatMap(({ prefix, configMapRef, secretRef }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = prefix
      ? environmentNameProblems(prefix).map((problem) => invalid(`${at}.prefix`, prefix, problem))
      : [];
    for (const [name, reference] of [["configMapRef", configMapRef], ["secretRef", secretRef]] as const) {
      if (reference !== undefined) errors.push(...validateReference(reference.name, `${at}.${name}`));
    }
    if (configMapRef === undefined && secretRef === undefined) {
      errors.push(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      errors.push(invalid(path, "", "may not have more than one field specified at a time"));
    }
    return errors;
  });
}

function validateReference(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(`${path}.name`)];
  return dnsSubdomainProblems(name).map((problem) => invalid(`${path}.name`, name, problem));
}

function validateSource({ value, valueFrom }: EnvVar, path: string): FieldError[] {
  if (valueFrom === undefined) return [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  const errors: FieldError[] = [];
  if (fieldRef !== undefined) errors.push(...validateFieldRef(fieldRef, ENVIRONMENT_FIELDS, `${path}.fieldRef`));
  if (resourceFieldRef !== undefined) {
    errors.push(...validateResourceRef(resourceFieldRef, false, `${path}.resourceFieldRef`));
  }
  for (const [name, reference] of [["configMapKeyRef", configMapKeyRef], ["secretKeyRef", secretKeyRef]] as const) {
    if (reference !== undefined) errors.push(...validateKeyRef(reference, `${path}.${name}`));
  }
  const given = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter((each) =>
    each !== undefined
  );
  if (given.length === 0) {
    const detail =
      "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
    errors.push(invalid(path, "", detail));
  } else if (value) errors.push(invalid(path, "", "may not be specified when `value` is not empty"));
  else if (given.length > 1) errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  return errors;
}

function validateKeyRef({ name, key }: { name?: string; key: string }, path: string): FieldError[] {
  const errors = dnsSubdomainProblems(name ?? "").map((problem) => invalid(`${path}.name`, name ?? "", problem));
  if (!key) return [...errors, required(`${path}.key`)];
  return [...errors, ...configKeyProblems(key).map((problem) => invalid(`${path}.key`, key, problem))];
}

export function validateFieldRef(ref: ObjectFieldSelector, allowed: readonly string[], path: string): FieldError[] {
  if (!ref.apiVersion) return [required(`${path}.apiVersion`)];
  if (!ref.fieldPath) return [required(`${path}.fieldPath`)];
  const subscripted = /^(.*)\['(.*)'\]$/.exec(ref.fieldPath);
  if (subscripted !== null) {
    const [, field = "", key = ""] = subscripted;
    if (field === "metadata.annotations") return validateQualifiedName(key.toLowerCase(), path);
    if (field === "metadata.labels") return validateQualifiedName(key, path);
  }
  const known = [...ENVIRONMENT_FIELDS, ...VOLUME_FIELDS, ...OTHER_FIELDS].includes(ref.fieldPath);
  if (!known) {
    const detail = `error converting fieldPath: field label not supported: ${ref.fieldPath}`;
    return [invalid(`${path}.fieldPath`, ref.fieldPath, detail)];
  }
  return allowed.includes(ref.fieldPath) ? [] : [notSupported(`${path}.fieldPath`, ref.fieldPath, [...allowed].sort())];
}

export function validateResourceRef(ref: ResourceFieldSelector, inVolume: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (inVolume && !ref.containerName) errors.push(required(`${path}.containerName`));
  else if (!ref.resource) errors.push(required(`${path}.resource`));
  else if (!RESOURCES.includes(ref.resource) && !HUGE_PAGES.test(ref.resource)) {
    errors.push(notSupported(`${path}.resource`, ref.resource, RESOURCES));
  } else errors.push(...validateDivisor(ref, path));
  return errors;
}

function validateDivisor({ resource = "", divisor }: ResourceFieldSelector, path: string): FieldError[] {
  const quantity = tryParseQuantity(divisor ?? "0");
  if (quantity?.nanos === 0n) return [];
  const isCpu = resource.endsWith(".cpu");
  const allowed = DIVISORS[isCpu ? "cpu" : "memory"]!;
  if (quantity !== undefined && allowed.some((unit) => parseQuantity(unit).nanos === quantity.nanos)) return [];
  const kind = isCpu
    ? "cpu"
    : resource.endsWith("ephemeral-storage")
    ? "ephemeral-storage"
    : HUGE_PAGES.test(resource)
    ? "hugepages"
    : "memory";
  const words = isCpu
    ? "only divisor's values 1m and 1 are supported with the cpu resource"
    : "only divisor's values " +
      "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the " +
      (kind === "ephemeral-storage" ? "local ephemeral storage resource" : `${kind} resource`);
  return [invalid(`${path}.divisor`, divisor, words)];
}
