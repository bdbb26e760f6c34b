/**
 * Text that others have written, such as messages of events, as a terminal may show it: its escape sequences would
 * move the cursor, change what is on the screen, or more. As kubectl does.
 */
export function printable(text: string): string {
  return text.replaceAll("\u001b", "^[").replaceAll("\u009b", "^[[").replaceAll("\r", "\\r").replaceAll("\b", "^H");
}
