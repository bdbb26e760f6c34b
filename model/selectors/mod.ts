/** Selecting objects by their labels and by their fields. */
export {
  formatLabelSelector,
  type LabelSelectorData,
  matches,
  type Operator,
  parseLabelSelector,
  type Requirement,
  type Requirements,
  requirementsOf,
  SelectorError,
} from "./label_selector.ts";
export { type FieldRequirement, formatFieldSelector, matchesFields, parseFieldSelector } from "./field_selector.ts";
