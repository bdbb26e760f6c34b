/** A patch that cannot be applied. */
export class PatchError extends Error {
  override name = "PatchError";
  /**
   * @param reason `malformed`: the patch itself is no patch (400); `inapplicable`: it does not fit this document,
   * a failed `test` among them (422)
   */
  constructor(readonly reason: "malformed" | "inapplicable", message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
