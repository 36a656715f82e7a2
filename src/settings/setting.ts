/** A row of the table of settings. */

import type { Kind } from "./kinds.js";

export interface Setting<Value, Default extends Value | undefined = Value | undefined> {
  readonly kind: Kind<Value>;
  /** undefined = without a value the setting stays undefined. */
  readonly default: Default;
  readonly environment: string;
  readonly flag: string;
  readonly help: string;
  /** What --help and the docs show as the default where that depends on the machine or on another setting. */
  readonly defaultText?: string;
  /** No message repeats the value. */
  readonly secret?: true;
  /**
   * An empty variable stops the start; elsewhere it counts as unset. For secrets that close the service: when such a secret is
   * lost on its way, starting without it would open the service. A secret that gives us access, such as HF_TOKEN, counts as
   * unset when it is empty, as the hub's other clients read it.
   */
  readonly emptyRefused?: true;
}

/** Gives a row its types. */
export function setting<const Value, const Default extends Value | undefined>(
  row: Setting<Value, Default>,
): Setting<Value, Default> {
  return row;
}
