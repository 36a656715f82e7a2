/** Which vision tower the settings name. */

import { RerankError } from "../errors.js";
import type { Settings } from "./table.js";

export type TowerChoice =
  | { readonly kind: "none" }
  | { readonly kind: "file"; readonly path: string }
  /** The one that is beside the model or in the cache. */
  | { readonly kind: "found" };

/** `demo`: the demo model is taken. Throws invalid_option when a tower is to be found for it, as none is. */
export function towerChoice({ images, mmprojPath }: Pick<Settings, "images" | "mmprojPath">, demo: boolean): TowerChoice {
  if (images === false) return { kind: "none" };
  if (mmprojPath !== undefined) return { kind: "file", path: mmprojPath };
  if (images === undefined) return { kind: "none" };
  if (demo) throw new RerankError("invalid_option", "IMAGES: not with the demo model, which has no vision tower");
  return { kind: "found" };
}
