/** Numbers that people give commands. */

/** @throws {TypeError} naming the option, what it must be and what it is */
export function wholeNumber(option: string, text: string, min: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value) || value < min) {
    throw new TypeError(`${option} must be a whole number of at least ${min}: it is "${text}"`);
  }
  return value;
}

/** @throws {TypeError} naming the option, what it must be and what it is */
export function positiveNumber(option: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value > 0)) throw new TypeError(`${option} must be a number above 0: it is "${text}"`);
  return value;
}
