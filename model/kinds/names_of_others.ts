/** Checks of names that refer to objects of other kinds. */
import { dnsSubdomainProblems } from "../names.ts";
import { type FieldError, invalid } from "./field_error.ts";

/** A name of an object whose kind's names are DNS subdomains: nodes, ConfigMaps, Secrets, service accounts… */
export function validateSubdomainName(value: string, path: string): FieldError[] {
  return dnsSubdomainProblems(value).map((problem) => invalid(path, value, problem));
}

export const validateNodeName = validateSubdomainName;
