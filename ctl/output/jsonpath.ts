/** What a JSONPath finds in an object, and templates of such. As kubectl, a missing field is empty and no error. */
import type { Operand, Operator, Path, Slice, Step, TemplateNode } from "./jsonpath_parse.ts";

export { parseRelaxed, parseTemplate } from "./jsonpath_parse.ts";

/** Text and, between it, what the paths find: several values with spaces between. */
export function renderTemplate(nodes: readonly TemplateNode[], root: unknown, current: unknown = root): string {
  return nodes.map((node) => {
    switch (node.type) {
      case "text":
        return node.text;
      case "path":
        return find(node.path, root, current).map(showValue).join(" ");
      case "range":
        return find(node.path, root, current).map((item) => renderTemplate(node.body, root, item)).join("");
    }
  }).join("");
}

/** @param current what `@` and a path without `$` begin with */
export function find({ isAbsolute, steps }: Path, root: unknown, current: unknown = root): unknown[] {
  let values = [isAbsolute ? root : current];
  for (const step of steps) values = values.flatMap((value) => follow(step, value, root));
  return values;
}

/** Text as it is, all else as JSON. */
export function showValue(value: unknown): string {
  return typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
}

function follow(step: Step, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case "field":
      return field(value, step.name);
    case "names":
      return step.names.flatMap((name) => field(value, name));
    case "wildcard":
      return children(value);
    case "slices":
      return Array.isArray(value) ? step.slices.flatMap((slice) => take(slice, value)) : [];
    case "descend":
      return descendants(value);
    case "exists":
      return items(value).filter((item) => find(step.path, root, item).length > 0);
    case "filter":
      return items(value).filter((item) =>
        compare(step.operator, operand(step.left, root, item), operand(step.right, root, item))
      );
  }
}

function field(value: unknown, name: string): unknown[] {
  return isRecord(value) && Object.hasOwn(value, name) ? [value[name]] : [];
}

function children(value: unknown): unknown[] {
  return isRecord(value) ? Object.values(value) : items(value);
}

function items(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function descendants(value: unknown): unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}

function take(slice: Slice, list: unknown[]): unknown[] {
  if ("at" in slice) {
    const index = slice.at < 0 ? list.length + slice.at : slice.at;
    return index in list ? [list[index]] : [];
  }
  const { from, to, step = 1 } = slice;
  return list.slice(from, to).filter((_, index) => index % step === 0);
}

function operand(operand: Operand, root: unknown, item: unknown): unknown {
  return "literal" in operand ? operand.literal : find(operand.path, root, item)[0];
}

/** Values of different types are never the same and have no order. */
function compare(operator: Operator, left: unknown, right: unknown): boolean {
  if (operator === "==") return left === right;
  if (operator === "!=") return left !== right;
  if (typeof left === "number" && typeof right === "number") return ordered(operator, left, right);
  return typeof left === "string" && typeof right === "string" && ordered(operator, left, right);
}

function ordered<T extends string | number>(operator: Operator, left: T, right: T): boolean {
  if (operator === "<") return left < right;
  if (operator === ">") return left > right;
  return operator === "<=" ? left <= right : left >= right;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
