/** Amounts of resources: what they may be called and how much they may be. */
import { canonicalQuantity, parseQuantity, QUANTITY_PROBLEM, tryParseQuantity } from "../quantity.ts";
import { qualifiedNameProblems } from "../names.ts";
import { type FieldError, forbidden, invalid, required } from "./field_error.ts";

const STANDARD = new Set([
  "cpu",
  "memory",
  "ephemeral-storage",
  "requests.cpu",
  "requests.memory",
  "requests.ephemeral-storage",
  "limits.cpu",
  "limits.memory",
  "limits.ephemeral-storage",
  "pods",
  "services",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
  "storage",
  "requests.storage",
]);
/** Counted in whole units. */
const WHOLE = new Set([
  "pods",
  "services",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
]);
const CONTAINER = new Set(["cpu", "memory", "ephemeral-storage"]);

/** Writes every amount as the API shows it: `0.5` becomes `500m`. Finer than a thousandth is rounded up. */
export function canonicalResources(resources: Record<string, string> | undefined): void {
  for (const [name, amount] of Object.entries(resources ?? {})) resources![name] = roundedToMilli(amount);
}

function roundedToMilli(amount: string): string {
  const quantity = tryParseQuantity(amount);
  if (quantity === undefined) return amount;
  const rest = quantity.nanos % 1_000_000n;
  if (rest === 0n) return canonicalQuantity(amount);
  const up = quantity.nanos - rest + (quantity.nanos > 0n ? 1_000_000n : 0n);
  return canonicalQuantity(`${up / 1_000_000n}m`);
}

/** What is wrong with an amount; the name decides whether parts of one are allowed. */
export function validateResourceValue(name: string, amount: string, path: string): FieldError[] {
  const quantity = tryParseQuantity(amount);
  if (quantity === undefined) return [invalid(path, amount, QUANTITY_PROBLEM)];
  if (quantity.nanos < 0n) return [invalid(path, amount, "must be greater than or equal to 0")];
  const isWhole = WHOLE.has(name) || isExtended(name);
  if (isWhole && quantity.nanos % 1_000_000_000n !== 0n) return [invalid(path, amount, "must be an integer")];
  return [];
}

/** A resource that somebody brings: it has a domain that is not Kubernetes's own. */
function isExtended(name: string): boolean {
  return isForeign(name) && !name.startsWith("requests.") && qualifiedNameProblems(`requests.${name}`).length === 0;
}

function isHugePage(name: string): boolean {
  return name.startsWith("hugepages-");
}

function isForeign(name: string): boolean {
  return name.includes("/") && !name.includes("kubernetes.io/");
}

function validateContainerResourceName(name: string, path: string): FieldError[] {
  const errors = qualifiedNameProblems(name).map((problem) => invalid(path, name, problem));
  if (errors.length > 0) return errors;
  if (!name.includes("/") && !CONTAINER.has(name) && !isHugePage(name)) {
    const known = STANDARD.has(name)
      ? "must be a standard resource for containers"
      : "must be a standard resource type or fully qualified";
    return STANDARD.has(name) ? [invalid(path, name, known)] : [
      invalid(path, name, known),
      invalid(path, name, "must be a standard resource for containers"),
    ];
  }
  if (name.includes("/") && isForeign(name) && !isExtended(name)) {
    return [invalid(path, name, "doesn't follow extended resource name standard")];
  }
  return [];
}

/** Requests may not exceed limits; resources that cannot be shared must ask for as much as they may use. */
export function validateRequirements(
  resources: { limits?: Record<string, string>; requests?: Record<string, string> } | undefined,
  path: string,
): FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const errors: FieldError[] = [];
  for (const [field, amounts] of [["limits", limits], ["requests", requests]] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const at = `${path}.${field}[${name}]`;
      errors.push(...validateContainerResourceName(name, at), ...validateResourceValue(name, amount, at));
      if (isHugePage(name)) errors.push(...validateHugePages(name, amount, at));
    }
  }
  for (const [name, amount] of Object.entries(requests)) {
    errors.push(...validateAgainstLimit(name, amount, limits[name], path));
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePage) && !names.includes("cpu") && !names.includes("memory")) {
    errors.push(forbidden(path, "HugePages require cpu or memory"));
  }
  return errors;
}

/** Whole pages of the size that the name says. */
function validateHugePages(name: string, amount: string, path: string): FieldError[] {
  const size = tryParseQuantity(name.slice("hugepages-".length))?.nanos ?? 0n;
  const asked = tryParseQuantity(amount)?.nanos ?? 0n;
  if (size <= 0n || asked % size === 0n) return [];
  return [invalid(path, amount, `${amount} is not positive integer multiple of ${name}`)];
}

function validateAgainstLimit(name: string, amount: string, limit: string | undefined, path: string): FieldError[] {
  const at = `${path}.requests`;
  const mustMatch = isExtended(name) || isHugePage(name);
  if (limit === undefined) {
    return mustMatch ? [required(`${path}.limits`, "Limit must be set for non overcommitable resources")] : [];
  }
  const [asked, allowed] = [tryParseQuantity(amount), tryParseQuantity(limit)];
  if (asked === undefined || allowed === undefined) return [];
  if (mustMatch && asked.nanos !== allowed.nanos) {
    return [invalid(at, amount, `must be equal to ${name} limit of ${canonicalQuantity(limit)}`)];
  }
  return asked.nanos > parseQuantity(limit).nanos
    ? [invalid(at, amount, `must be less than or equal to ${name} limit of ${canonicalQuantity(limit)}`)]
    : [];
}
