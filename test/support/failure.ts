/** The error of an action that must fail. */

import { RerankError } from "../../src/errors.js";

export function failure(action: () => unknown): RerankError {
  try {
    action();
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
  }
  throw new Error("expected a RerankError, got none");
}
