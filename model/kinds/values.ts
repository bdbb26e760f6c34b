/** Checks of values that several resources share. */
import { dnsLabelProblems, portNameProblems, portNumberProblems, qualifiedNameProblems } from "../names.ts";
import { type IntOrString, parsePercent } from "../int_or_string.ts";
import { isIPv4 } from "../ipv4.ts";
import { type FieldError, invalid, notSupported, required } from "./field_error.ts";

export const PROTOCOLS = ["SCTP", "TCP", "UDP"];

/** Bytes that base64 text stands for. */
export function base64Length(text: string): number {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return Math.floor(text.length * 3 / 4) - padding;
}

export function validateDnsLabel(value: string, path: string): FieldError[] {
  return dnsLabelProblems(value).map((problem) => invalid(path, value, problem));
}

export function validateQualifiedName(value: string, path: string): FieldError[] {
  return qualifiedNameProblems(value).map((problem) => invalid(path, value, problem));
}

export function validatePortNumber(value: number, path: string): FieldError[] {
  return portNumberProblems(value).map((problem) => invalid(path, value, problem));
}

/** A port by number, or by the name of a container's port. */
export function validatePort(value: IntOrString, path: string): FieldError[] {
  return typeof value === "number"
    ? validatePortNumber(value, path)
    : portNameProblems(value).map((problem) => invalid(path, value, problem));
}

export function validateProtocol(value: string | undefined, path: string): FieldError[] {
  if (!value) return [required(path)];
  return PROTOCOLS.includes(value) ? [] : [notSupported(path, value, PROTOCOLS)];
}

export function validateNonnegative(value: number | undefined, path: string): FieldError[] {
  return (value ?? 0) < 0 ? [invalid(path, value, "must be greater than or equal to 0")] : [];
}

const PERCENT_WORDS = "a valid percent string must be a numeric string followed by an ending '%' " +
  "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

export function validateNumberOrPercent(value: IntOrString, path: string): FieldError[] {
  if (typeof value === "number") return validateNonnegative(value, path);
  return parsePercent(value) === undefined ? [invalid(path, value, PERCENT_WORDS)] : [];
}

export function refuseOverWhole(value: IntOrString, path: string): FieldError[] {
  return (parsePercent(value) ?? 0) > 100 ? [invalid(path, value, "must not be greater than 100%")] : [];
}

/** The number, or how many percent: enough to tell whether it is none. */
export function amountOf(value: IntOrString): number {
  return typeof value === "number" ? value : parsePercent(value) ?? 0;
}

/** One of a set, or an error that names the set in order. */
export function validateOneOf(value: string, supported: readonly string[], path: string): FieldError[] {
  return supported.includes(value) ? [] : [notSupported(path, value, [...supported].sort())];
}

export function isIPv6(text: string): boolean {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(":")) return false;
  try {
    // The address parser of URLs is RFC 5952's.
    return new URL(`http://[${text}]/`).hostname.length > 0;
  } catch {
    return false;
  }
}

export function isIP(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

export function validateIP(value: string, path: string): FieldError[] {
  return isIP(value) ? [] : [invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

export function validateCidr(value: string, path: string): FieldError[] {
  const [address = "", bits = "", ...rest] = value.split("/");
  const max = isIPv4(address) ? 32 : 128;
  const fits = rest.length === 0 && isIP(address) && /^\d{1,3}$/.test(bits) && Number(bits) <= max;
  return fits ? [] : [invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
}

/** An address that something outside its machine can answer on. */
export function validateEndpointIP(value: string, path: string): FieldError[] {
  const say = (detail: string) => [invalid(path, value, detail)];
  if (!isIP(value)) return say("must be a valid IP address");
  const [first = 0, second = 0, third = 0] = value.split(".").map(Number);
  if (value === "0.0.0.0" || value === "::") return say(`may not be unspecified (${value})`);
  if (value === "::1" || (isIPv4(value) && first === 127)) {
    return say("may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (/^fe[89ab]/i.test(value) || (isIPv4(value) && first === 169 && second === 254)) {
    return say("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (/^ff.2:/i.test(value) || (isIPv4(value) && first === 224 && second === 0 && third === 0)) {
    return say("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  }
  return [];
}
